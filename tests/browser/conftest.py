"""The dashboard as served, and headless Chromium to view it."""

import asyncio
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

import httpx
import psutil
import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Route,
    ViewportSize,
    WebSocket,
    async_playwright,
    expect,
)

from liq.config import Settings
from liq.delivery import connect, messaging
from liq.delivery.producer import Producer, create_producers
from liq.ingest.simulator.server import Schedule, Simulator
from liq.query import questdb
from liq.records.streams import LIQUIDATIONS, PRICES
from liq.web import serve
from support.helpers import (
    PATIENCE_S,
    answers,
    choose_pause_s,
    eventually,
    find_free_ports,
    own_streams,
)
from support.rows import own_table

# each context of the whole browser also opens a window, with pages of its own: a fifth of the work
CHROMIUM = shutil.which("chromium-headless-shell") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
POOL = 1
RATE = 2  # simulated liquidations a second; each page redraws for new ones
expect.set_options(timeout=1_000 * PATIENCE_S)  # contexts' own limit does not apply to it
ZONE = "Australia/Adelaide"  # half hours from UTC; browsers call Asia/Kolkata by its old name
VIEWPORT = ViewportSize(width=1280, height=900)
BARS = """Array.from(
    document.querySelectorAll(".liq-bars .bars .point path"), path => path.getAttribute("d"))"""

# what a test may have changed; null while the page is not settled
STATE = """async () => {
  if (!globalThis.liqAddress?.get("answered") || globalThis.liqCharts?.length) return null;
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const texts = (selector) => all(selector).map((each) => each.textContent);
  const models = await Promise.all(liqAddress.widget_manager.models.values());
  const tape = models.find((each) => each.get("scope") !== undefined);
  const [tab] = texts(".liq-tabs [aria-selected=true]");
  const isDrawn = document.querySelector(`.liq-page > .liq-${tab?.toLowerCase()}`);
  return isDrawn && !location.search.includes("token=") ? JSON.stringify([
    location.pathname, location.search, document.title,
    ["dark", "wall"].map((each) => all(`.liq-root.liq-${each}`).length),
    tab === "Overview" && tape.get("scope"), // the time and the filters of what is drawn
    all(".liq-page .liq-card h2").map((each) => each.firstChild?.textContent),
    all(".liq-root :is(input, select)").map(({ checked, value }) => [checked, value]),
    texts(".liq-shown").map((text) => text.replace(/\\d+-\\d+-\\d+ /g, "").replace(/\\d/g, "0")),
    texts(".liq-top button, .liq-chips button, .liq-alarm summary"),
    texts("[aria-pressed=true], details[open], .liq-inspector:not(.liq-hidden)"),
    texts(".liq-fault p, .liq-ignored p"),
  ]) : null;
}"""
# has the kernel show an address as that of a new page, with its own theme and time zone
REOPEN = """async query => {
  document.activeElement?.blur();
  for (const menu of document.querySelectorAll("details[open]")) menu.open = false;
  for (const each of document.querySelectorAll(":is(.liq-fold, .liq-more) [aria-expanded=true]"))
    each.click();
  localStorage.clear();
  scrollTo(0, 0);
  const { send, get } = liqAddress;
  const before = get("answered");
  history.replaceState(history.state, "", location.pathname + (query && `?${query}`));
  liqAddress.send = (message) => send({ ...message, type: "opened" });
  dispatchEvent(new PopStateEvent("popstate")); // address.js asks as after the browser's Back
  liqAddress.send = send;
  while (get("answered") <= before) await new Promise((done) => setTimeout(done, 20));
}"""
RESTORE_S = 20.0  # when a page counts as changed otherwise than by its controls


@pytest.fixture(scope="session")
def settings(stack: Settings) -> Settings:
    """A topic, table and connector of these tests' own."""
    ports = find_free_ports()
    settings = own_streams(stack, LIQUIDATIONS).model_copy(
        update={name: ports[name] for name in ("dashboard_port", "simulator_port")}
    )
    messaging.ensure_topics(settings)
    questdb.ensure_table(settings)
    connect.ensure(settings)
    return settings


@pytest.fixture(scope="session")
def server(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psutil.Popen]:
    """``liq dashboard``, its kernels preheated while the table is still empty."""
    log = tmp_path_factory.mktemp("dashboard") / "log"
    with serving(settings, log, "--pool", str(POOL)) as process:
        eventually(lambda: "filled with" in log.read_text())
        yield process


@contextmanager
def serving(
    settings: Settings,
    log: Path,
    *options: str,
    command: str = "dashboard",
    program: Sequence[str] = ("-m", "liq"),
) -> Iterator[psutil.Popen]:
    """Run ``liq dashboard`` (or ``liq lab``, or another ``program``) as a process of its own."""
    argv = [sys.executable, *program, command, "--no-browser", *options]
    with log.open("w") as output:
        process = psutil.Popen(argv, env=settings.environ(), stdout=output, stderr=output)
    health = {"dashboard": serve.build_dashboard_url, "lab": serve.build_lab_url}[command](settings)
    try:
        eventually(
            lambda: answers(urljoin(health, "/health"), below=500) or process.poll() is not None
        )
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()  # otherwise Python warns about it, in another test
            raise


@asynccontextmanager
async def threaded(manager: AbstractContextManager[Any]) -> AsyncIterator[Any]:
    """Enter and leave ``manager`` without holding up the loop."""
    value = await asyncio.to_thread(manager.__enter__)
    try:
        yield value
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


def own_dashboard(stack: Settings) -> Settings:
    """Return settings with a table, and a port of the dashboard, of some tests' own."""
    port = find_free_ports()["dashboard_port"]
    return own_table(stack).model_copy(update={"dashboard_port": port})


@asynccontextmanager
async def served(settings: Settings, log: Path) -> AsyncIterator[str]:
    """Serve the dashboard with one preheated kernel, and return its URL."""
    async with threaded(serving(settings, log, "--pool", "1")):
        yield serve.build_dashboard_url(settings)


@asynccontextmanager
async def publishing(settings: Settings, seed: int) -> AsyncIterator[Producer]:
    """A simulated exchange whose liquidations are published."""
    async with Simulator(Schedule(rate=RATE, seed=seed), settings) as simulator:
        producer = Producer(url=simulator.url, settings=settings)
        await producer.start()
        yield producer
        await producer.stop()


@asynccontextmanager
async def trading(settings: Settings, seed: int) -> AsyncIterator[list[Producer]]:
    """Publish a simulated exchange's liquidations, and mark prices that fit them."""
    questdb.ensure_table(settings, PRICES)
    connect.ensure(settings, PRICES)
    async with Simulator(Schedule(rate=RATE, seed=seed), settings) as simulator:
        producers = create_producers(["binance_usdm"], simulator.urls, settings=settings)
        for producer in producers:
            await producer.start()
        yield producers
        for producer in producers:
            await producer.stop()


def kernels(server: psutil.Popen) -> list[psutil.Process]:
    """Return what the server's fork server has forked."""
    return [kernel for child in server.children() for kernel in child.children()]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


@asynccontextmanager
async def launched(*flags: str) -> AsyncIterator[Browser]:
    """Run Chromium with more ``flags``."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=[*FLAGS, *flags]
        )
        yield browser
        await browser.close()


async def wait_until_drawn(page: Page) -> None:
    """Wait until a page of Voila has hidden its notice. The queue's page has none."""
    await page.wait_for_selector("#liq-notice", state="attached")
    await page.wait_for_selector("#liq-notice", state="hidden")


@dataclass
class Visit:
    """A visitor's page, with its requests, its messages to the kernel and its console errors."""

    page: Page
    requests: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def follow(self, socket: WebSocket) -> None:
        """Keep what goes out over a connection."""
        self.requests.append(socket.url)
        socket.on("framesent", self.record_sent)

    def record_sent(self, frame: str | bytes) -> None:
        """Keep what the page sends, as text."""
        self.sent.append(frame if isinstance(frame, str) else frame.decode(errors="replace"))

    def record_error(self, line: ConsoleMessage) -> None:
        """Keep what the console shows in red, but for the queue's page, whose status is 503."""
        if line.type == "error" and "status of 503" not in line.text:
            self.complaints.append(line.text)

    @property
    def outside(self) -> list[str]:
        """What was asked of other hosts than the page's own."""
        own = urlsplit(self.page.url).netloc
        remote = (url for url in self.requests if urlsplit(url).scheme not in ("data", "blob"))
        return [url for url in remote if urlsplit(url).netloc != own]

    async def until(self, expression: str, arg: Any = None) -> None:
        """Fail unless JavaScript comes to be true.

        Not by Playwright's ``wait_for_function``, whose polling evaluates text in the page: our
        content security policy refuses that. A page may give way to another meanwhile, as the
        queue's does to the dashboard.
        """
        begin = time.monotonic()
        async with asyncio.timeout(PATIENCE_S):
            while not await self._holds(expression, arg):  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(choose_pause_s(time.monotonic() - begin))

    async def _holds(self, expression: str, arg: Any) -> bool:
        try:
            return bool(await self.page.evaluate(expression, arg))
        except Error as error:
            if "context was destroyed" not in str(error):
                raise
            return False

    async def leave(self) -> None:
        """Leave the page, which ends its kernel."""
        await self.page.goto("about:blank")

    async def drawn(self) -> None:
        """Fail unless the page comes to stand as its notebook means it, without a notice."""
        await wait_until_drawn(self.page)

    async def bars(self) -> list[str]:
        """Return the outlines of the bars, once some are drawn."""
        await self.until(f"{BARS}.length")
        outlines: list[str] = await self.page.evaluate(BARS)
        return outlines

    async def redraws(self) -> None:
        """Fail unless the bars change; fresh events come all the time."""
        before = await self.bars()
        await self.until(f"before => {BARS}.join() !== before.join()", before)

    async def shows(self, text: str, selector: str = "body") -> None:
        """Fail unless ``text`` comes to stand in an element."""
        await self.page.locator(selector).filter(has_text=text).first.wait_for()

    async def open_board(self, name: str) -> None:
        """Open a board by its tab, and wait until it is in the page instead of the one before."""
        await self.page.get_by_role("tab", name=name, exact=True).click()
        panel = self.page.get_by_role("tabpanel", name=name)
        await panel.locator(f"> .liq-{name.lower()}").wait_for()

    async def _run_all_cells(self) -> None:
        async with asyncio.timeout(10):
            for name in ("Run", "Run All Cells"):
                await self.page.get_by_role("menuitem", name=name, exact=True).click()

    async def run_cells(self, selector: str, text: str = "") -> None:
        """Run all cells of a notebook in JupyterLab until an element with ``text`` is there.

        It shows an idle kernel before it has one. Until then it asks for a kernel, runs nothing, or
        forgets some cells that it was to run. On a busy machine it may replace a kernel that
        starts, and wait for the first one: then the page is opened once more.
        """
        page = self.page
        # there: JupyterLab skips what it has scrolled out of view
        output = page.locator(selector).filter(has_text=text).first
        prompts = page.locator(".jp-InputPrompt")
        forgotten = prompts.filter(has_text=re.compile(r"\[\s\]"))
        running = prompts.filter(has_text="*")
        agree = page.locator(".jp-Dialog .jp-mod-accept")
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        loop = asyncio.get_running_loop()
        again = loop.time() + PATIENCE_S / 2
        async with asyncio.timeout(PATIENCE_S):
            while not await output.count():
                if loop.time() > again:
                    again += PATIENCE_S
                    await page.reload()
                if await agree.count():
                    await agree.click()
                if await forgotten.count() and not await running.count():
                    with suppress(TimeoutError):  # a dialog came first: it is answered above
                        await self._run_all_cells()
                await asyncio.sleep(1)


async def stay_outlined(page: Page, source: httpx.Response) -> None:
    """Have the page load as ``source``, without the script that draws it, nor a kernel."""

    async def answer(route: Route) -> None:
        kept = ("content-type", "content-security-policy")
        headers = {name: source.headers[name] for name in kept}
        await route.fulfill(body=source.text, headers=headers)

    address = str(source.url.copy_with(query=None))
    await page.route(lambda url: url.partition("?")[0] == address, answer)
    await page.route("**/page.js", lambda route: route.abort())


@asynccontextmanager
async def opened(
    chromium: Browser, url: str, script: str = "", **preferences: Any
) -> AsyncIterator[Visit]:
    """Open a page as somebody new, in `ZONE`, who likes it dark unless ``preferences`` differ.

    ``script`` runs before the page's own.
    """
    usual: dict[str, Any] = {
        "viewport": VIEWPORT,
        "color_scheme": "dark",
        "timezone_id": ZONE,
    }
    context = await chromium.new_context(**usual | preferences)
    context.set_default_timeout(1_000 * PATIENCE_S)
    await context.add_init_script(script)
    page = await context.new_page()
    visitor = Visit(page)
    page.on("request", lambda request: visitor.requests.append(request.url))
    page.on("websocket", visitor.follow)
    page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    page.on("console", visitor.record_error)
    await page.goto(url, wait_until="commit")
    try:
        yield visitor
    finally:
        await visitor.leave()  # as people do: closing a context notifies no page
        await context.close()


Visiting: TypeAlias = Callable[..., AbstractAsyncContextManager[Visit]]


class SharedPage:
    """A page of the dashboard that tests use in turn, each as if it had just been opened.

    Between two tests the page gets back its first address, without another kernel. A test may also
    leave it paused, scrolled, of another size, on the wall, or with open menus. A page that a test
    has changed otherwise, or that failed, is not used again. Like `opened` it runs ``script`` first
    and takes the browser's ``preferences``.
    """

    def __init__(
        self,
        chromium: Browser,
        url: str,
        session: pytest.Session,
        script: str = "",
        **preferences: Any,
    ) -> None:
        self._chromium, self._url, self._session = chromium, url, session
        self._script, self._preferences = script, {"viewport": VIEWPORT} | preferences
        self._left = AsyncExitStack()
        self._visitor: Visit | None = None
        self._query, self._state = "", None

    @asynccontextmanager
    async def __call__(self, query: str = "") -> AsyncIterator[Visit]:
        """Give the page to a test, at its first address or at ``query``."""
        failed = self._session.testsfailed
        visitor = await self._find()
        if query:
            async with asyncio.timeout(PATIENCE_S):
                await visitor.page.evaluate(REOPEN, query)
            await visitor.until(f"({STATE})()")
        visitor.complaints.clear()
        try:
            yield visitor
        except BaseException:
            await self.close()
            raise
        if self._session.testsfailed > failed:  # of a fixture, which the test does not raise in
            await self.close()

    def resize(self, viewport: ViewportSize) -> None:
        """Give the page to the next tests in another size."""
        self._preferences["viewport"] = viewport

    async def close(self) -> None:
        """Leave the page; the next test opens another one."""
        self._visitor = None
        await self._left.aclose()

    async def _find(self) -> Visit:
        if self._visitor and await self._restore(self._visitor):
            return self._visitor
        await self.close()
        page = opened(self._chromium, self._url, self._script, **self._preferences)
        self._visitor = await self._left.enter_async_context(page)
        await self._visitor.drawn()
        state, before = None, None
        async with asyncio.timeout(PATIENCE_S):
            while state is None or state != before:  # parts of the page are drawn one by one
                await asyncio.sleep(0.5)
                state, before = await self._visitor.page.evaluate(STATE), state
        self._query, self._state = urlsplit(self._visitor.page.url).query, state
        return self._visitor

    async def _restore(self, visitor: Visit) -> bool:
        """Return whether the page is as it was opened."""
        page = visitor.page
        resume = page.get_by_role("button", name="Resume", exact=True)
        try:
            async with asyncio.timeout(RESTORE_S):
                await page.mouse.move(0, 0)
                await page.set_viewport_size(self._preferences["viewport"])
                await page.evaluate(REOPEN, self._query)
                while await page.evaluate(STATE) != self._state:
                    if await page.locator(".liq-root.liq-wall").count():
                        await page.keyboard.press("Escape")
                    if await resume.count():
                        await resume.click()
                    await asyncio.sleep(0.2)
        except (Error, TimeoutError):  # the test has left it
            return False
        return True


@pytest.fixture(scope="module")
def page_url(settings: Settings, server: psutil.Popen) -> str:
    """The dashboard's URL; tests with a dashboard of their own have another one."""
    return serve.build_dashboard_url(settings)


@pytest.fixture(scope="module")
def page_source(page_url: str) -> httpx.Response:
    """The dashboard's page as its server sends it."""
    return httpx.get(page_url, timeout=PATIENCE_S, follow_redirects=True).raise_for_status()


@pytest.fixture
def visit(chromium: Browser, page_url: str) -> Visiting:
    """``async with visit() as visitor``: open the dashboard, or ``visit(url)``, as somebody new."""
    return lambda url=None: opened(chromium, url or page_url)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def share(
    chromium: Browser, page_url: str, request: pytest.FixtureRequest
) -> AsyncIterator[Visiting]:
    """``async with share() as visitor``: use the module's `SharedPage`, which is open already.

    ``share("board=Prices")`` has it at another address. It costs no kernel and no browser's start,
    so take `visit` only for what must be somebody new.
    """
    page = SharedPage(chromium, page_url, request.session)
    yield page
    await page.close()
