"""Too many visitors at once: kernels stay bounded, everyone gets a turn, and the server answers."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import psutil
import pytest

from browser.conftest import kernels, serving
from liq.config import Settings
from liq.web import serve
from liq.web.voila_app.server import IDLE_S, LONGEST_BODY
from support.helpers import PATIENCE_S, eventually, find_free_ports

PLACES, POOL = 2, 1
VISITORS = 30
SERVED = 5  # visitors who get their page; the others may still wait
ANSWERS_WITHIN_S = 10.0  # /health; a tenth of a second, unless the machine is busy
SENT = re.compile(r'id="liq-(?:page|visit)">(.*?)</script>')


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("liq")
    return Settings.load(home=home, dashboard_kernels=PLACES, **find_free_ports())


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("admission") / "log"


@pytest.fixture(scope="module")
def server(settings: Settings, log: Path) -> Iterator[psutil.Popen]:
    """A dashboard of few kernels, with one of them preheated; it has no QuestDB to read."""
    with serving(settings, log, "--pool", str(POOL)) as process:
        eventually(lambda: "filled with" in log.read_text())
        yield process


class Visitor:
    """A browser without a screen: keeps cookies, waits in the queue, ends its kernel."""

    def __init__(self, settings: Settings, path: str = "/") -> None:
        self.url = httpx.URL(serve.build_dashboard_url(settings)).copy_with(path=path)
        self.client = httpx.AsyncClient(timeout=PATIENCE_S, follow_redirects=True)

    async def ask(self) -> httpx.Response:
        return await self.client.get(self.url)

    async def wait(self) -> "Page":
        """Stay in the queue until the page comes; return it."""
        async with asyncio.timeout(2 * PATIENCE_S):
            while (answer := await self.ask()).status_code == 503:  # noqa: ASYNC110 - as asked to
                await asyncio.sleep(float(answer.headers["retry-after"]))
        return Page.of(answer)

    async def leave(self, page: "Page") -> None:
        url = self.url.copy_with(path=f"/voila/api/shutdown/{page.kernel}")
        (await self.client.post(url, data={"_xsrf": page.xsrf})).raise_for_status()
        await self.client.aclose()


@dataclass(frozen=True)
class Page:
    """Return the data that a complete page has for its scripts."""

    kernel: str
    xsrf: str

    @classmethod
    def of(cls, answer: httpx.Response) -> "Page":
        assert answer.is_success
        sent: dict[str, str] = {}
        for found in SENT.findall(answer.text):
            sent |= json.loads(found)
        return cls(**sent)


@contextmanager
def watched(settings: Settings, server: psutil.Popen) -> Iterator[tuple[list[float], list[int]]]:
    """Ask /health every 0.5 s, and count the kernels: yields times to answer, and counts."""
    times: list[float] = []
    counts: list[int] = []
    is_over = threading.Event()

    def ask() -> None:
        url = f"http://{settings.host}:{settings.dashboard_port}/health"
        with httpx.Client(timeout=PATIENCE_S) as client:
            while not is_over.wait(0.5):
                begin = time.monotonic()
                client.get(url).raise_for_status()
                times.append(time.monotonic() - begin)

    def count() -> None:
        while not is_over.wait(0.5):
            counts.append(len(living_kernels(server)))

    threads = [threading.Thread(target=each) for each in (ask, count)]
    for each in threads:
        each.start()
    try:
        yield times, counts
    finally:
        is_over.set()
        for each in threads:
            each.join()


def living_kernels(server: psutil.Popen) -> list[psutil.Process]:
    def lives(kernel: psutil.Process) -> bool:
        try:
            return kernel.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return [kernel for kernel in kernels(server) if lives(kernel)]


@pytest.mark.timeout(600)
async def test_health_answers_and_kernels_stay_bounded_while_thirty_visitors_open_pages(
    settings: Settings, server: psutil.Popen
) -> None:
    served: list[Page] = []

    async def visit() -> bool:
        """Return whether the visitor was in the queue at the end, and not served."""
        visitor = Visitor(settings)
        while (answer := await visitor.ask()).status_code == 503:
            if len(served) >= SERVED:
                await visitor.client.aclose()
                return True
            await asyncio.sleep(float(answer.headers["retry-after"]))
        served.append(Page.of(answer))
        await visitor.leave(served[-1])
        return False

    with watched(settings, server) as (times, counts):
        still_waiting = await asyncio.gather(*(visit() for _ in range(VISITORS)))
    assert len(served) == VISITORS - sum(still_waiting) >= SERVED
    assert len(times) > 10
    assert median(times) <= ANSWERS_WITHIN_S  # some may wait for the machine, which others share
    assert max(counts) <= PLACES


async def test_apps_take_the_places_of_preheated_kernels(
    settings: Settings, server: psutil.Popen
) -> None:
    with watched(settings, server) as (_, counts):
        visitors = [Visitor(settings, "/apps/04-venues") for _ in range(PLACES)]
        pages = [await each.wait() for each in visitors]
        for each, page in zip(visitors, pages, strict=True):
            await each.leave(page)
    assert len({page.kernel for page in pages}) == PLACES
    assert max(counts) <= PLACES


async def test_a_visitor_learns_the_place_in_the_queue(
    settings: Settings, server: psutil.Popen, log: Path
) -> None:
    inside = [Visitor(settings) for _ in range(PLACES)]
    pages = [await each.wait() for each in inside]
    first, second, stranger = (Visitor(settings) for _ in range(3))
    answers = [await first.ask(), await second.ask()]
    assert [each.status_code for each in answers] == [503, 503]
    assert "You are next" in answers[0].text
    assert "1 ahead of you" in answers[1].text
    assert answers[1].headers["cache-control"] == "no-store"
    assert "<script" not in answers[1].text
    assert "503 GET" not in await asyncio.to_thread(log.read_text)  # those who wait ask often
    stranger.client.cookies.update(dict.fromkeys(first.client.cookies, "forged"))
    assert "2 ahead of you" in (await stranger.ask()).text
    assert "1 ahead of you" in (await second.ask()).text
    await first.ask()  # who has not asked for 15 s has left the queue
    await inside[0].leave(pages[0])
    assert (await second.ask()).status_code == 503  # it is not the turn of this one
    await stranger.client.aclose()
    await first.leave(await first.wait())
    await second.leave(await second.wait())
    for each, page in zip(inside[1:], pages[1:], strict=True):
        await each.leave(page)


async def test_a_queue_cookie_is_hidden_from_scripts(
    settings: Settings, server: psutil.Popen
) -> None:
    visitor = Visitor(settings)
    answer = await visitor.client.get(visitor.url)
    cookies = [each for one in (*answer.history, answer) for each in set_cookies(one)]
    (cookie,) = [each for each in cookies if each.startswith("liq-visitor-")]
    assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    await visitor.leave(Page.of(answer))


def set_cookies(answer: httpx.Response) -> list[str]:
    return answer.headers.get_list("set-cookie")


async def test_without_the_token_nobody_takes_a_place(
    settings: Settings, server: psutil.Popen
) -> None:
    before = max(len(living_kernels(server)), POOL)  # the pool may be refilled meanwhile
    url = f"http://{settings.host}:{settings.dashboard_port}"
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        answers = await asyncio.gather(*(client.get(url) for _ in range(VISITORS)))
    assert {answer.status_code for answer in answers} == {302}
    assert not [each for answer in answers for each in answer.cookies if "visitor" in each]
    assert len(living_kernels(server)) <= before


def test_idle_connections_are_closed_and_keep_nobody_out(
    settings: Settings, server: psutil.Popen
) -> None:
    address = (settings.host, settings.dashboard_port)
    begun = {
        "silent": b"",
        "half a header": b"GET / HTTP/1.1\r\nHost: local",
        "half a body": b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nhalf",
    }
    with ExitStack() as stack:
        lines = [
            stack.enter_context(socket.create_connection(address))
            for _ in range(370)
            for _ in begun
        ]
        for line, start in zip(lines, [*begun.values()] * 370, strict=True):
            line.sendall(start)
        assert httpx.get(f"http://{address[0]}:{address[1]}/health", timeout=PATIENCE_S).is_success
        for line in lines:
            line.settimeout(IDLE_S + PATIENCE_S)
            while line.recv(4096):  # an error message, then the end
                pass


def test_a_stranger_cannot_have_a_great_body_kept(settings: Settings, server: psutil.Popen) -> None:
    url = f"http://{settings.host}:{settings.dashboard_port}/login"
    try:
        answer = httpx.post(url, content=bytes(LONGEST_BODY + 1), timeout=PATIENCE_S)
    except (httpx.NetworkError, httpx.RemoteProtocolError):
        return  # it hung up before all was sent
    assert answer.status_code in {400, 413}
