"""`liq run`: start the servers, a feed and the dashboard."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from liq.config import Settings, choose_settings
from liq.errors import FeedError
from liq.ingest.venues import ALL, find_venue, resolve_names
from liq.ingest.venues.base import Venue
from liq.stack import apps, control, health
from liq.stack.service import OnEvent, Service, ignore_event
from liq.web import serve


class RunSource(StrEnum):
    """The feed to start; ``auto`` is live, or simulated if no exchange can be reached."""

    AUTO = "auto"
    LIVE = "live"
    SIMULATOR = "simulator"


class Extra(StrEnum):
    """An optional service of `run`; Streamlit starts the API too, since it reads the API."""

    API = apps.API
    STREAMLIT = apps.STREAMLIT


@dataclass(frozen=True, slots=True)
class Session:
    """The result of `run`: the source of the liquidations, and the URLs that show them."""

    source: RunSource
    dashboard_url: str
    extra_urls: Mapping[Extra, str]


def run(
    settings: Settings | None = None,
    *,
    source: RunSource = RunSource.AUTO,
    venues: Sequence[str] = (),
    rate: float = 5.0,
    prices: bool = True,
    extras: Sequence[Extra] = (),
    progress: OnEvent = ignore_event,
) -> Session:
    """Start the stack, a producer, the dashboard, alerts and ``extras``. Safe to call again.

    `liq.stack.down` stops everything.

    Args:
        settings: Settings of the stack; the current ones by default.
        source: Live exchanges or the simulator.
        venues: Exchanges, by default all; those that do not answer are retried.
        rate: Liquidations per second of a simulated exchange.
        prices: Whether to publish mark prices too.
        extras: Optional services.
        progress: Called with a service and its latest event.

    Raises:
        StackError: A service does not start.
        ConfigError: A venue is unknown.
        FeedError: A live source was requested and cannot be reached.
    """
    settings = choose_settings(settings)
    venues = resolve_names(venues or [ALL])
    simulator = apps.define_simulator(settings, rate)
    with ThreadPoolExecutor(1) as pool:
        choice = pool.submit(choose_source, source, venues)  # an exchange may take seconds
        control.up(settings, progress=progress)
    source = choice.result()
    simulated = source is RunSource.SIMULATOR
    if not simulated:
        control.end([simulator], settings, progress)
    producer = apps.define_producer(settings, venues, simulated=simulated, prices=prices)
    started = [*([simulator] if simulated else []), producer, apps.define_dashboard(settings)]
    _start(started, settings, progress)
    # these start last, so that the dashboard has the processor first
    wanted = sorted({*extras, *([Extra.API] if Extra.STREAMLIT in extras else [])})
    optional = [apps.define_extra(settings, extra) for extra in wanted]
    _start(
        [apps.define_alerts(settings), *optional, apps.define_supervisor(settings)],
        settings,
        progress,
    )
    urls = {extra: service.address for extra, service in zip(wanted, optional, strict=True)}
    if Extra.STREAMLIT in urls:
        urls[Extra.STREAMLIT] = serve.build_streamlit_url(settings)
    return Session(source, serve.build_dashboard_url(settings), urls)


def _start(services: Sequence[Service], settings: Settings, progress: OnEvent) -> None:
    control.launch(services, settings, progress)
    for service in services:
        control.wait_healthy(service, progress)


def choose_source(source: RunSource, venues: Sequence[str]) -> RunSource:
    """Return ``live`` or ``simulator``, which for ``auto`` depends on whether a venue answers.

    Raises:
        FeedError: A live source was requested and cannot be reached.
    """
    if source is RunSource.SIMULATOR:
        return source
    found = [find_venue(name) for name in venues]
    with ThreadPoolExecutor(len(found)) as pool:  # each takes seconds where packets are dropped
        if any(pool.map(_answers, found)):
            return RunSource.LIVE
    if source is RunSource.LIVE:
        urls = ", ".join(venue.url for venue in found)
        raise FeedError(f"cannot reach {urls}; try `liq run --feed simulator`")
    return RunSource.SIMULATOR


def _answers(venue: Venue) -> bool:
    return (health.answers_url if venue.poll else health.opens_websocket)(venue.url)
