"""A feed of a venue that publishes over REST alone, against a real local HTTP server."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from liq.errors import FeedError, RejectedMessage
from liq.ingest.feed import Feed, Timeouts
from liq.ingest.venues import VENUES
from liq.ingest.venues.base import Venue
from liq.records.model import Source
from support.helpers import reached
from support.recordings import liquidations, load_recording

ORDERLY = VENUES["orderly"]
RECORDING = load_recording("orderly")
PATH = "/v1/public/liquidated_positions"
HOUR_MS = 3_600_000


@dataclass
class Api:
    """The server's side of the REST API: ``rows`` in pages of ``most``, or a ``fault``."""

    url: str
    most: int = 25
    rows: list[Any] = field(default_factory=list)
    fault: tuple[int, bytes] | None = None
    location: str = ""
    asked: list[dict[str, int]] = field(default_factory=list)

    def answer(self, target: str) -> tuple[int, bytes]:
        parts = urlsplit(target)
        assert parts.path == PATH
        asked = {name: int(value) for name, [value] in parse_qs(parts.query).items()}
        self.asked.append(asked)
        if self.fault:
            return self.fault
        end = asked["page"] * self.most
        page = self.rows[end - self.most : end]
        meta = {"total": len(self.rows), "current_page": asked["page"]}
        return 200, json.dumps({"success": True, "data": {"meta": meta, "rows": page}}).encode()


@pytest.fixture
def api() -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = served.answer(self.path)
            self.send_response(status)
            if served.location:
                self.send_header("Location", served.location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Api(f"http://127.0.0.1:{server.server_port}{PATH}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def hasty() -> Venue:
    assert ORDERLY.poll
    return replace(ORDERLY, poll=replace(ORDERLY.poll, seconds=0.02))


@asynccontextmanager
async def polling(url: str, venue: Venue) -> AsyncIterator[tuple[Feed, list[bytes]]]:
    frames: list[bytes] = []

    async def handle(raw: bytes, _recv_ts: int, source: Source) -> None:
        assert source is Source.SIMULATOR  # of a loopback address
        frames.append(raw)

    feed = Feed(venue, handle, url, timeouts=Timeouts(backoff=0.02, backoff_max=0.1))
    task = asyncio.create_task(feed.run())
    try:
        yield feed, frames
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def rows_of(frames: list[bytes]) -> list[Any]:
    return [row for frame in frames for row in json.loads(frame)]


async def test_each_row_is_in_one_frame(api: Api) -> None:
    first, second = RECORDING.documents["several"], RECORDING.documents["alike"]
    api.rows = [*first]
    async with polling(api.url, hasty()) as (feed, frames):
        await reached(lambda: len(frames) >= 3)
        assert rows_of(frames) == first
        api.rows = [*second, *first]
        await reached(lambda: len(rows_of(frames)) > len(first))
        await reached(lambda: len(frames) >= 6)
    assert rows_of(frames) == [*first, *second]
    found = [
        one
        for raw in frames
        for one in liquidations(ORDERLY, raw, RECORDING.instruments, RECORDING.recv_ts)
    ]
    assert len(found) == 5
    assert feed.stats().gaps == feed.stats().errors == 0
    assert {one["end_t"] - one["start_t"] for one in api.asked} == {HOUR_MS + 60_000}


async def test_an_answer_has_all_its_pages(api: Api) -> None:
    [row] = RECORDING.documents["documented"]
    api.most, api.rows = 3, [{**row, "liquidation_id": number} for number in range(7)]
    async with polling(api.url, hasty()) as (_, frames):
        await reached(lambda: len(frames) >= 1)
    assert rows_of(frames) == api.rows
    assert [one["page"] for one in api.asked[:4]] == [1, 2, 3, 4]


async def test_rows_beyond_the_last_requested_page_are_said_to_be_missing(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.most = 1
    api.rows = [{"liquidation_id": number} for number in range(51)]
    async with polling(api.url, hasty()) as (_feed, frames):
        await reached(lambda: len(frames) > 0)
    assert len(rows_of(frames)) == 50
    assert (
        f"{api.url}: the rows did not end within 50 pages; later ones are missing"
        in caplog.messages
    )


async def test_a_request_that_fails_is_a_disconnect_with_its_reason(api: Api) -> None:
    rows = RECORDING.documents["documented"]
    async with polling(api.url, hasty()) as (feed, frames):
        await reached(lambda: len(frames) >= 2)
        api.fault = 503, b"away"
        await reached(lambda: feed.stats().errors >= 3)
        assert not feed.stats().connected
        assert "Server error '503" in feed.stats().last_error
        api.fault, api.rows = None, rows
        await reached(lambda: rows_of(frames) == rows)
    assert feed.stats().gaps == 1
    assert feed.stats().reconnects == 1


async def test_a_redirect_to_no_url_is_a_disconnect(api: Api) -> None:
    async with polling(api.url, hasty()) as (feed, frames):
        await reached(lambda: len(frames) > 0)
        api.fault, api.location = (302, b""), "mailto:x"
        await reached(lambda: feed.stats().errors >= 2)


async def test_a_proxy_that_cannot_be_used_is_a_fault_of_the_connection(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    async with polling(api.url, hasty()) as (feed, _):
        await reached(lambda: feed.stats().errors >= 2)
        assert "ALL_PROXY" in feed.stats().last_error
    assert not api.asked


async def test_an_undocumented_answer_is_a_frame_that_its_parser_rejects(api: Api) -> None:
    api.fault = 200, b'{"success":false,"code":-1000,"message":"unknown"}'
    async with polling(api.url, hasty()) as (_, frames):
        await reached(lambda: len(frames) >= 2)
    assert frames[0] == api.fault[1]
    with pytest.raises(RejectedMessage, match="not the documented JSON"):
        ORDERLY.parse(frames[0], {}, 0)


async def test_an_impossible_url_does_not_end_the_feed(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    async with polling(url, hasty()) as (feed, _):
        await reached(lambda: feed.stats().errors >= 2)
        assert "refused" in feed.stats().last_error
    with pytest.raises(FeedError, match="no websocket URL"):
        await Feed(ORDERLY, lambda *_: asyncio.sleep(0), "nonsense").run()
