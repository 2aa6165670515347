"""Every venue's protocol over a real websocket: subscriptions, frames, answers to its pings."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from ingest.venues.conftest import RecordingOf
from liq.ingest.feed import Feed
from liq.ingest.venues import PRICE_FEEDS, VENUES
from liq.records.model import Source
from support.helpers import PATIENCE_S

FEEDS = VENUES | PRICE_FEEDS


@pytest.mark.parametrize("name", FEEDS)
async def test_a_venue_is_received_and_answered(recording_of: RecordingOf, name: str) -> None:
    recording, venue = recording_of(name), FEEDS[name]
    frames = list(recording.frames.values())
    asked: asyncio.Queue[str | bytes] = asyncio.Queue()
    taken: asyncio.Queue[tuple[bytes, int, Source]] = asyncio.Queue()

    async def exchange(connection: ServerConnection) -> None:
        assert connection.request
        assert venue.headers.items() <= dict(connection.request.headers.raw_items()).items()
        for _ in venue.subscribe(recording.instruments):
            asked.put_nowait(await connection.recv())
        for frame in frames:
            await connection.send(frame if name.startswith("htx") else frame.decode())
        async for answer in connection:
            asked.put_nowait(answer)

    async def handle(*frame: Any) -> None:
        taken.put_nowait(frame)

    async with serve(exchange, "127.0.0.1", 0) as server, asyncio.timeout(PATIENCE_S):
        port = server.sockets[0].getsockname()[1]
        feed = Feed(venue, handle, f"ws://127.0.0.1:{port}/", recording.instruments)
        task = asyncio.create_task(feed.run())
        received = [await taken.get() for _ in frames]
        answers = [answer for frame in frames if (answer := venue.reply(frame))]
        expected = [*venue.subscribe(recording.instruments), *answers]
        assert [await asked.get() for _ in expected] == expected
        task.cancel()
        await asyncio.wait({task})
    assert [raw for raw, *_ in received] == frames
