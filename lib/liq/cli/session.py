"""`liq run`: the servers, a feed and the dashboard, in one go."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from liq import config
from liq.config import Settings
from liq.errors import FeedError
from liq.ingest.venues import names, venue
from liq.stack import apps, control, health
from liq.stack.progress import Report, silent
from liq.stack.service import Service
from liq.web import serve


class Source(StrEnum):
    """Where liquidations come from; ``auto`` is live, or simulated where no exchange is reached."""

    AUTO = "auto"
    LIVE = "live"
    SIMULATOR = "simulator"


class Extra(StrEnum):
    """What `run` may start beside the dashboard; Streamlit brings the API, which it reads."""

    API = apps.API
    STREAMLIT = apps.STREAMLIT


@dataclass(frozen=True, slots=True)
class Session:
    """What `run` started: the source of its liquidations, and where to look at them."""

    source: Source
    dashboard_url: str
    extra_urls: Mapping[Extra, str]


def run(
    settings: Settings | None = None,
    *,
    source: Source = Source.AUTO,
    venues: Sequence[str] = (),
    rate: float = 5.0,
    prices: bool = True,
    extras: Sequence[Extra] = (),
    progress: Report = silent,
) -> Session:
    """Bring the stack up; beside it a producer, the dashboard, alerts and ``extras``.

    `down` ends them all. ``venues`` are exchanges, Binance USD-M by default, or ``all``; a
    simulated one sends ``rate`` liquidations a second. ``prices`` are followed beside them. Safe to
    call again.

    Raises `StackError`, `ConfigError` for an unknown venue, `FeedError` when a live source is out
    of reach.
    """
    settings = settings or config.settings()
    venues = names(venues or apps.DEFAULT_VENUES)
    simulator = apps.simulator(settings, rate)
    with ThreadPoolExecutor(1) as pool:
        choice = pool.submit(choose, source, venues)  # an exchange may let us wait for seconds
        control.up(settings, progress=progress)
    source = choice.result()
    simulated = source is Source.SIMULATOR
    if not simulated:
        control.end([simulator], settings, progress)
    producer = apps.producer(settings, venues, simulated=simulated, prices=prices)
    started = [*([simulator] if simulated else []), producer, apps.dashboard(settings)]
    _start(started, settings, progress)
    # nobody waits for these: the dashboard has the processor first
    beside = sorted({*extras, *([Extra.API] if Extra.STREAMLIT in extras else [])})
    faces = [apps.face(settings, extra) for extra in beside]
    _start([apps.alerts(settings), *faces, apps.supervisor(settings)], settings, progress)
    urls = {extra: service.address for extra, service in zip(beside, faces, strict=True)}
    return Session(source, serve.dashboard_url(settings), urls)


def _start(services: Sequence[Service], settings: Settings, progress: Report) -> None:
    control.launch(services, settings, progress)
    for service in services:
        control.wait_healthy(service, progress)


def choose(source: Source, venues: Sequence[str]) -> Source:
    """Return ``live`` or ``simulator``: what ``source`` means while ``venues`` are as they are.

    Raises `FeedError` when a live source is asked for and out of reach.
    """
    if source is Source.SIMULATOR:
        return source
    urls = [venue(name).url for name in venues]
    if any(map(health.websocket_ok, urls)):
        return Source.LIVE
    if source is Source.LIVE:
        raise FeedError(f"cannot reach {', '.join(urls)}; try `liq run --feed simulator`")
    return Source.SIMULATOR
