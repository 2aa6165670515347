"""The apps that `liq run` starts: a simulated exchange, a producer, the dashboard."""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from liq.common import addresses, heartbeat
from liq.config import Settings
from liq.errors import StackError
from liq.stack import health, process
from liq.stack.service import Service

SIMULATOR, PRODUCER, DASHBOARD, ALERTS = "simulator", "producer", "dashboard", "alerts"
SUPERVISOR, SPARK = "supervisor", "spark"
API, STREAMLIT = EXTRAS = ("api", "streamlit")
_BASE_URL = "--base-url"
_KEEP_MIB = 256  # of a venue's raw frames, so that the dashboard can show what a print was made of


def define_apps(settings: Settings) -> list[Service]:
    """Return all apps, as they are by default."""
    first = [
        define_simulator(settings),
        define_producer(settings),
        define_dashboard(settings),
        define_alerts(settings),
    ]
    return [*first, *(define_extra(settings, name) for name in EXTRAS), define_supervisor(settings)]


def restore_arguments(app: Service) -> Service | None:
    """Return an app with the arguments of its start, None if it was not started or was stopped."""
    return replace(app, argv=process.read_argv(app.pid_file)) if app.pid_file.exists() else None


def define_simulator(settings: Settings, rate: float = 5.0) -> Service:
    """Return the simulated exchange, sending ``rate`` liquidations a second."""
    return _app(
        settings,
        SIMULATOR,
        ["simulate", "--rate", str(rate)],
        "simulator_port",
        f"ws://{addresses.name_local(settings.host)}:{settings.simulator_port}",
    )


def define_producer(
    settings: Settings,
    venues: Sequence[str] = (),
    *,
    simulated: bool = False,
    prices: bool = True,
) -> Service:
    """Return the producer of ``venues`` (none: of all), real or simulated, and of prices.

    It keeps recent raw frames, so that the dashboard can show the message behind a print.
    """
    options = [part for venue in venues for part in ("--venue", venue)]
    url = ["--url", define_simulator(settings).address + "/{venue}"] if simulated else []
    record = ["--record", str(settings.recordings), "--record-keep", str(_KEEP_MIB)]
    without = [] if prices else ["--no-prices"]
    return _app(settings, PRODUCER, ["produce", *options, *url, *record, *without])


def define_dashboard(settings: Settings) -> Service:
    """Return the Voila dashboard."""
    command = ["dashboard", "--no-browser", *_options(settings)]
    return _app(settings, DASHBOARD, command, "dashboard_port", settings.find_url("dashboard"))


def define_alerts(settings: Settings) -> Service:
    """Return the evaluator of alert rules."""
    return _app(settings, ALERTS, ["alerts"])


def define_extra(settings: Settings, name: str) -> Service:
    """Return the HTTP API or the Streamlit dashboard over it."""
    address = settings.api_url if name == API else settings.streamlit_url
    return _app(settings, name, [name, *_options(settings)], f"{name}_port", address)


def define_supervisor(settings: Settings) -> Service:
    """Return the supervisor of all others, healthy as long as it updates its heartbeat file."""
    beats = heartbeat_file(settings)
    return replace(
        _app(settings, SUPERVISOR, ["supervise"]),
        supervisor=True,
        prepare=lambda: beats.unlink(missing_ok=True),  # those of the one before
        healthy=lambda: not heartbeat.silence_s(beats),
    )


def heartbeat_file(settings: Settings, name: str = SUPERVISOR) -> Path:
    """Return the heartbeat file of the supervisor or of Spark's job."""
    return settings.home / "run" / f"{name}.beat"


def _options(settings: Settings) -> list[str]:
    """Return the base URL as an argument, so that whoever starts the app again keeps it."""
    return [_BASE_URL, settings.base_url] if settings.is_behind_proxy else []


def restore_base_url(settings: Settings) -> Settings:
    """Return settings with the base URL of the running dashboard, which `liq run` was given."""
    with contextlib.suppress(StackError, psutil.Error):  # who asks shows the state of all services
        if found := process.find_known(define_dashboard(settings).pid_file):
            argv = found.process.cmdline()
            base_url = argv[argv.index(_BASE_URL) + 1] if _BASE_URL in argv[:-1] else ""
            return settings.model_copy(update={"base_url": base_url})
    return settings


def _app(
    settings: Settings, name: str, command: list[str], port: str = "", address: str = ""
) -> Service:
    ports = {port: int(getattr(settings, port))} if port else {}
    return Service(
        name=name,
        home=settings.home,
        argv=[sys.executable, "-m", "liq", "--debug", *command],  # its log has tracebacks
        env=settings.environ(),
        ports=ports,
        # an app without a port does its work as long as it runs
        healthy=lambda: all(
            health.is_listening(settings.host, number) for number in ports.values()
        ),
        address=address,
    )
