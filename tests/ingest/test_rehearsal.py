"""Checks of venues, against simulated exchanges over real websockets."""

import gzip
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from liq.config import Settings
from liq.errors import ConfigError
from liq.ingest.recording import Recording
from liq.ingest.rehearsal import VenueCheck, check_venues, list_fields
from liq.ingest.semantics import read_example, read_shapes
from liq.ingest.simulator.server import Schedule, Simulator
from liq.ingest.venues import PRICE_FEEDS, VENUES
from liq.records.model import Source
from support.helpers import PATIENCE_S
from support.recordings import load_recording

EVERY = [*VENUES, *PRICE_FEEDS]


@pytest.fixture
def settings(unused_tcp_port: int, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", simulator_port=unused_tcp_port)


def end_when(
    is_enough: Callable[[VenueCheck], bool],
) -> Callable[[Sequence[VenueCheck], float], None]:
    """Return a ``show`` that ends the checks once ``is_enough`` holds for all, as Ctrl-C does."""

    def show(checks: Sequence[VenueCheck], _elapsed: float) -> None:
        if all(map(is_enough, checks)):
            os.kill(os.getpid(), signal.SIGINT)

    return show


@asynccontextmanager
async def sending(*frames: bytes) -> AsyncIterator[str]:
    """Serve ``frames`` as text by a websocket, refuse the path of OKX; yield the URL."""

    async def send(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame, text=True)
        await connection.wait_closed()

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        return (
            connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "closed")
            if request.path == "/okx"
            else None
        )

    async with serve(send, "127.0.0.1", 0, process_request=refuse) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def check(url: str, frames: int, settings: Settings, name: str = "bybit") -> VenueCheck:
    """Check one venue until it has received ``frames``."""
    [found] = await check_venues(
        [name],
        settings.home / "checks",
        seconds=PATIENCE_S,
        url=url,
        show=end_when(lambda one: one.frames >= frames),
        settings=settings,
    )
    return found


async def test_every_simulated_venue_passes_the_check(settings: Settings) -> None:
    folder = settings.home / "checks"
    async with Simulator(Schedule(rate=100), settings) as simulator:
        checks = await check_venues(
            EVERY,
            folder,
            seconds=PATIENCE_S,
            url=simulator.urls,
            show=end_when(lambda one: one.parsed > 0),
            settings=settings,
        )
    assert [one.venue for one in checks] == EVERY
    for one in checks:
        assert one.is_good, one
        assert not one.unknown_field, one
        [file] = folder.glob(f"{one.venue}-2*")
        kept = list(Recording(file))
        assert len(kept) == one.frames
        assert {frame.source for frame in kept} == {Source.SIMULATOR}


async def test_a_field_that_is_not_documented_is_named(settings: Settings) -> None:
    message = json.loads(read_example("bybit"))
    message["data"][0]["new"] = {"id": 1}
    async with sending(json.dumps(message).encode()) as url:
        found = await check(url, 1, settings)
    assert found.unknown_field == "data[].new.id"
    assert found.notes[0] == "first unknown field: data[].new.id"


async def test_rejected_frames_are_counted_and_kept(settings: Settings) -> None:
    message = json.loads(read_example("bybit"))
    message["data"][0]["S"] = "Hold"
    bad, good = json.dumps(message).encode(), read_example("bybit").encode()
    async with sending(bad, b"not JSON", good) as url:
        found = await check(url, 3, settings)
    assert (found.frames, found.parsed, found.rejected) == (3, 1, 2)
    assert "unknown side 'Hold'" in found.first_rejection
    assert not found.is_good
    [file] = (settings.home / "checks").iterdir()
    assert [frame.raw for frame in Recording(file)] == [bad, b"not JSON", good]


async def test_a_venue_that_cannot_be_reached_does_not_stop_the_others(settings: Settings) -> None:
    async with sending(read_example("bybit").encode()) as url:
        refused, reached = await check_venues(
            ["okx", "bybit"],
            settings.home / "checks",
            seconds=PATIENCE_S,
            url=url + "/{venue}",
            show=end_when(lambda one: bool(one.parsed or one.fault)),
            settings=settings,
        )
    assert (refused.connected, refused.subscribed, refused.is_good) == (False, 0, False)
    assert reached.subscribed == 2  # the contracts of the snapshot, and the control stream
    assert "HTTP 503" in refused.fault
    assert refused.notes == [f"connection: {refused.fault}"]
    assert reached.is_good


async def test_a_folder_that_cannot_be_written_is_a_fault(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "checks").write_text("a file")
    async with sending(read_example("bybit").encode()) as url:
        [found] = await check_venues(
            ["bybit"], settings.home / "checks", seconds=PATIENCE_S, url=url, settings=settings
        )
    assert "cannot record" in found.fault
    assert not found.is_good


async def test_an_unknown_venue_is_an_error(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="unknown venue"):
        await check_venues(["nowhere"], settings.home, settings=settings)


@pytest.mark.parametrize("name", EVERY)
def test_no_field_of_a_golden_frame_is_unknown(name: str) -> None:
    recording = load_recording(name)
    documented = {field for shape in read_shapes(name) for field in list_fields(shape)}
    for frame in recording.expected["records"]:
        found = list_fields(recording.frames[frame])
        if "stream" not in found:  # the URLs are of raw streams, not of combined ones
            assert set(found) <= documented, frame


def test_fields_are_named_by_path_and_place() -> None:
    message = b'[1, [["pos", 2, {"a": [{"b": 1}, {"c": null}]}]]]'
    assert list_fields(message) == [
        "[0]",
        "[1][][0]",
        "[1][][1]",
        "[1][][2].a[].b",
        "[1][][2].a[].c",
    ]
    assert list_fields(gzip.compress(b'{"op": "ping"}')) == ["op"]


def test_paths_of_long_names_are_short() -> None:
    [path] = list_fields(json.dumps({"x" * 10_000: {"y" * 10_000: 1}}).encode())
    assert path == "x" * 200


@pytest.mark.parametrize(
    "frame",
    [b"pong", b"\x1f\x8b\x08", b"\xff\xfe", b"[" * 100_000, gzip.compress(b" " * 9_000_000)],
)
def test_a_frame_that_is_no_json_has_no_fields(frame: bytes) -> None:
    assert list_fields(frame) == []
