"""What every test can use: an environment without the developer's settings, and the real stack."""

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from operator import itemgetter
from pathlib import Path

import hypothesis
import pytest

from liq import config
from liq import stack as local
from liq.config import Settings
from liq.delivery import connect, messaging
from liq.query import questdb
from liq.records.streams import LIQUIDATIONS, PRICES, STREAMS
from liq.stack import health
from support.disk import lift_limit
from support.helpers import PATIENCE_S, configure_questdb, find_free_ports, own_streams

hypothesis.settings.register_profile("liq", deadline=None)  # no test asserts a clock
hypothesis.settings.load_profile("liq")

collect_ignore = ["compose"]  # unless named: `make compose-test` starts its Docker Engine

# Tests that `make test-fast` leaves out: folders and modules, then fixtures that start programs.
_SLOW = (
    "analysis/test_spark.py",
    "browser/",
    "chaos/",
    "cli/test_cli_feed.py",
    "cli/test_cli_venues.py",
    "cli/test_main.py",
    "cli/test_notebooks.py",
    "cli/test_open.py",
    "cli/test_query.py",
    "common/test_kernels.py",
    "common/test_waiting.py",
    "delivery/test_workers.py",
    "ingest/simulator/",
    "ingest/test_rehearsal.py",
    "ingest/venues/test_hostile.py",
    "notebook/",
    "security/",
    "stack/",
    "test_cluster.py",
    "test_compose.py",
    "test_sbom.py",
    "web/test_serve.py",
    "web/voila_app/",
)
_PROGRAMS = {"server", "stack", "supervised"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test ``slow`` that starts kernels or programs, simulates days, or fuzzes."""
    for item in items:
        place = item.path.relative_to(Path(__file__).parent).as_posix()
        if place.startswith(_SLOW) or _PROGRAMS & {*getattr(item, "fixturenames", ())}:
            item.add_marker("slow")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport() -> None:
    """End a full disk with its test: pytest writes the result ahead of the fixtures' end."""
    lift_limit()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the slowest files beside the slowest tests, where ``--durations`` asks for these."""
    most = terminalreporter.config.getoption("durations")
    if most is None:
        return
    files = defaultdict[str, float](float)
    for report in chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            files[report.location[0]] += report.duration
    terminalreporter.section("slowest files")
    slowest = sorted(files.items(), key=itemgetter(1), reverse=True)
    for file, seconds in slowest[: most or None]:
        terminalreporter.write_line(f"{seconds:.2f}s {file}")


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Keep the developer's ``LIQ_*`` variables out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LIQ_")]:
            patch.delenv(name)
        config.settings.cache_clear()
        yield
    config.settings.cache_clear()


@pytest.fixture(autouse=True)
def _forgotten_settings() -> Iterator[None]:
    """Forget the settings of a test's own environment after it."""
    yield
    config.settings.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def _quick_java() -> Iterator[None]:
    """Compile lightly: C2 takes a third of a server's CPU time, which pays after hours only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_pydantic_plugins() -> Iterator[None]:
    """Use no plugin of pydantic: each start of `liq` reads all packages' metadata for one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYDANTIC_DISABLE_PLUGINS", "__all__")
        yield


@pytest.fixture(scope="session", autouse=True)
def _patient_logins() -> Iterator[None]:
    """Wait longer for QuestDB's logins in this process: a busy machine takes seconds for one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questdb, "_LOGIN_S", 20)
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_ports(request: pytest.FixtureRequest) -> None:
    """Give each process of ``pytest -n`` other ports: a killed server finds its own free."""
    if worker := getattr(request.config, "workerinput", None):
        first, count = int(worker["workerid"].removeprefix("gw")), worker["workercount"]
        health._CHOICE = health._CHOICE[first::count]


@pytest.fixture(scope="session", autouse=True)
def _heard_signals() -> None:
    """Have Ctrl-C reach the programs that tests start, though a shell's ``&`` ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, _clean_environment: None) -> Iterator[Settings]:
    """The running Kafka, Connect and QuestDB of this session, on free ports, with their own data.

    Tests share it: work on topics, tables and sinks of your own, by `own_streams`.
    """
    home = tmp_path_factory.mktemp("liq")
    settings = Settings.load(home=home, sink_tasks=1, **find_free_ports())  # each task polls
    configure_questdb(settings)
    try:
        local.up(settings)
        yield settings
    finally:
        local.down(settings)


@pytest.fixture
def patient_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let probes of this process wait as long as tests do: a busy server answers late."""
    monkeypatch.setattr(health, "_TIMEOUT", PATIENCE_S)
    monkeypatch.setattr(health, "_VENUE_TIMEOUT", PATIENCE_S)


@pytest.fixture
def broker(stack: Settings) -> Settings:
    """Topics of the test's own, which no sink reads, and a port for its simulator."""
    own = own_streams(stack, LIQUIDATIONS, PRICES, names=["topic"])
    settings = own.model_copy(update={"simulator_port": find_free_ports()["simulator_port"]})
    messaging.ensure_topics(settings)
    return settings


@pytest.fixture
def pipeline(stack: Settings) -> Iterator[Settings]:
    """Topics, tables and connectors of the test's own, and a port for its simulator."""
    port = find_free_ports()["simulator_port"]
    settings = own_streams(stack).model_copy(update={"simulator_port": port})
    local.provision(settings)
    yield settings
    for stream in STREAMS:  # a sink goes on polling
        connect.remove(settings, stream)
