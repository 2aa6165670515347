"""The dashboard says LIVE only while it is: Chromium, Voila, and servers that stop or die."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from browser.conftest import Visit, kernels, opened, serving, threaded
from liq import stack as local
from liq.common import files
from liq.config import Settings
from liq.delivery import connect
from liq.ingest.simulator.server import Schedule, Simulator
from liq.query import questdb
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS, STREAMS
from liq.web import serve
from support.helpers import find_free_ports, own_streams, running
from support.rows import micros_of

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

HEADER = ".liq-fresh b"


@dataclass
class Pipeline:
    """A simulated exchange, its producer as a process, the dashboard, and a page of it."""

    settings: Settings
    producer: "Process"
    server: psutil.Popen
    log: Path
    visitor: Visit

    def process(self, name: str) -> psutil.Process:
        """Return a process of the pipeline by its name."""
        if name == "producer":
            return psutil.Process(self.producer.pid)
        remembered = json.loads((self.settings.home / "run" / f"{name}.json").read_text())
        return psutil.Process(remembered["pid"])

    def start(self, name: str) -> None:
        """Start a killed process again."""
        if name == "producer":
            self.producer.start()
        else:
            local.start(name, self.settings)


@dataclass
class Process:
    """A program that may be killed and started again."""

    settings: Settings
    argv: list[str]
    pid: int = 0
    _left: list[Any] = field(default_factory=list)

    def start(self) -> None:
        """Start it."""
        self.stop()
        manager = running(self.settings, *self.argv)
        self.pid = manager.__enter__().pid
        self._left.append(manager)

    def stop(self) -> None:
        """End it."""
        while self._left:
            self._left.pop().__exit__(None, None, None)


@pytest.fixture(scope="module")
def own(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Topics, tables and sinks of these tests' own, and a catalogue that they may break."""
    ports = find_free_ports()
    catalogue = tmp_path_factory.mktemp("liveness") / "queries.json"
    catalogue.write_text(files.find_asset("queries.json").read_text())
    chosen = {one: ports[one] for one in ("dashboard_port", "simulator_port")}
    settings = own_streams(stack).model_copy(update=chosen | {"queries": catalogue})
    local.provision(settings)
    yield settings
    for stream in STREAMS:
        connect.remove(settings, stream)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pipeline(
    own: Settings, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pipeline]:
    """All of it, with one page for all tests, which is live."""
    log = tmp_path_factory.mktemp("dashboard") / "log"
    async with Simulator(Schedule(rate=1, seed=3), own) as simulator:
        producer = Process(own, ["-m", "liq", "produce", "--url", simulator.url])
        await asyncio.to_thread(producer.start)
        try:
            async with (
                threaded(serving(own, log, "--pool", "1")) as server,
                opened(chromium, serve.build_dashboard_url(own)) as visitor,
            ):
                yield Pipeline(own, producer, server, log, visitor)
        finally:
            await asyncio.to_thread(producer.stop)


async def live(pipeline: Pipeline) -> None:
    """Fail unless the page becomes live."""
    await pipeline.visitor.page.locator(HEADER).get_by_text("live", exact=True).wait_for()


async def says(pipeline: Pipeline, text: str, selector: str = HEADER) -> None:
    """Fail unless the page comes to say so."""
    await pipeline.visitor.page.locator(selector).filter(has_text=text).first.wait_for()


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """Stop a process as a machine that swaps or a debugger does: it listens, and never answers."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


FAULTS = {
    "kafka": "Kafka does not answer",
    "connect": "Kafka Connect does not answer",
    "questdb": "QuestDB",
    "producer": "does not report",
}


@pytest.mark.parametrize(("name", "reason"), FAULTS.items())
async def test_the_header_names_the_stopped_service_and_is_live_again(
    pipeline: Pipeline, name: str, reason: str
) -> None:
    await live(pipeline)
    with stopped(pipeline.process(name)):
        await says(pipeline, reason)
    await live(pipeline)


@pytest.mark.parametrize(("name", "reason"), FAULTS.items())
async def test_the_header_names_the_dead_service_and_is_live_again(
    pipeline: Pipeline, name: str, reason: str
) -> None:
    await live(pipeline)
    pipeline.process(name).kill()
    try:
        await says(pipeline, reason)
    finally:
        await asyncio.to_thread(pipeline.start, name)
    await live(pipeline)


async def test_the_header_names_a_paused_sink(pipeline: Pipeline) -> None:
    await live(pipeline)
    path = f"/connectors/{FEED_HEALTH.connector(pipeline.settings)}"
    both = (path, f"/connectors/{LIQUIDATIONS.connector(pipeline.settings)}")
    try:
        for each in both:
            await asyncio.to_thread(connect._request, pipeline.settings, "PUT", f"{each}/pause")
        await says(pipeline, "is paused")
    finally:
        for each in both:
            await asyncio.to_thread(connect._request, pipeline.settings, "PUT", f"{each}/resume")
    await live(pipeline)


async def test_a_page_whose_kernel_or_server_hangs_does_not_look_live(pipeline: Pipeline) -> None:
    def busy() -> list[psutil.Process]:
        return kernels(pipeline.server)

    for hanging in (await asyncio.to_thread(busy), [pipeline.server]):
        await live(pipeline)
        for process in hanging:
            process.send_signal(signal.SIGSTOP)
        try:
            await says(pipeline, "Not live", ".liq-heartbeat")
            assert not await pipeline.visitor.page.locator(HEADER).is_visible()
        finally:
            for process in hanging:
                process.send_signal(signal.SIGCONT)
        await pipeline.visitor.page.wait_for_selector(
            ".liq-heartbeat .liq-notice", state="detached"
        )
        await live(pipeline)


async def test_a_page_without_its_kernel_has_no_button_for_a_notice_that_is_hidden(
    pipeline: Pipeline,
) -> None:
    await live(pipeline)
    page = pipeline.visitor.page
    await page.get_by_role("button", name="Pause").click()
    notice = page.locator(".liq-notices .liq-notice")
    await notice.evaluate("each => each.append('A notice that is too long. '.repeat(20))")
    more = page.get_by_role("button", name="More", exact=True)
    await more.wait_for()
    hanging = await asyncio.to_thread(kernels, pipeline.server)
    for process in hanging:
        process.send_signal(signal.SIGSTOP)
    try:
        await says(pipeline, "Not live", ".liq-heartbeat")
        await notice.wait_for(state="hidden")
        assert await more.count() == 0
    finally:
        for process in hanging:
            process.send_signal(signal.SIGCONT)
    await more.wait_for()
    await page.get_by_role("button", name="Resume").click()
    await live(pipeline)


def insert_foreign_row(settings: Settings) -> None:
    """Write a row as another program may: enumerations that liq does not have, or nothing."""
    kinds, now = LIQUIDATIONS.columns(), micros_of(datetime.now(UTC))
    odd: dict[str, Any] = {"ts": now, "recv_ts": now, "event_id": 1, "source": "martian"}
    odd |= {"side": "sideways", "completeness": "some", "price_kind": "odd", "notional": 5.0}
    values = [odd.get(name) for name in kinds]
    row = ", ".join("%s::TIMESTAMP" if kind == "TIMESTAMP" else "%s" for kind in kinds.values())
    names = ", ".join(kinds)
    sql = f"INSERT INTO {LIQUIDATIONS.table(settings)} ({names}) VALUES ({row})"  # noqa: S608 - names of ours
    questdb.execute(sql, values, settings)


@contextmanager
def broken_catalogue(settings: Settings, query: str) -> Iterator[None]:
    """Have a query give a column of another name, so that nothing can draw its rows."""
    assert settings.queries
    sound = settings.queries.read_text()
    entries = json.loads(sound)
    first, *others = entries[query]["sql"]
    entries[query]["sql"] = [first.replace(",", " AS nonsense,", 1), *others]
    settings.queries.write_text(json.dumps(entries))
    try:
        yield
    finally:
        settings.queries.write_text(sound)


async def test_an_odd_row_freezes_nothing_and_an_error_of_drawing_is_one_panels_fault(
    pipeline: Pipeline, chromium: Browser
) -> None:
    await live(pipeline)
    page = pipeline.visitor.page
    await asyncio.to_thread(insert_foreign_row, pipeline.settings)
    await pipeline.visitor.shows("1 odd row(s) left out")
    await live(pipeline)
    await pipeline.visitor.redraws()
    async with AsyncExitStack() as left:
        with broken_catalogue(pipeline.settings, "top_symbols"):
            await says(pipeline, "Top symbols: ", ".liq-symbols .liq-fault")
            await says(pipeline, "liq logs dashboard", ".liq-symbols .liq-fault")
            await says(pipeline, "broken")
            await pipeline.visitor.redraws()  # the other panels go on
            assert await page.locator(".liq-exchanges .liq-fault p").count() == 0
            another = await left.enter_async_context(
                opened(chromium, serve.build_dashboard_url(pipeline.settings))
            )
            await another.shows("Top symbols: ", ".liq-symbols .liq-fault")
            assert await another.bars()
        await another.page.locator(HEADER).get_by_text("live", exact=True).wait_for()
        await another.shows("1 odd row(s) left out")
    await live(pipeline)
    await page.wait_for_selector(".liq-symbols .liq-fault p", state="detached")
    log = pipeline.log.read_text()
    assert "Top symbols: " in log
    assert "Traceback (most recent call last)" in log


async def test_a_page_opened_without_questdb_reports_it(
    pipeline: Pipeline, chromium: Browser
) -> None:
    await live(pipeline)
    with stopped(pipeline.process("questdb")):
        async with opened(chromium, serve.build_dashboard_url(pipeline.settings)) as another:
            await another.shows("QuestDB", HEADER)
    await live(pipeline)
