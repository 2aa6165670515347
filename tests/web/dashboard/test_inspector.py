"""What a print was made of, against real rows and a real recording."""

import gzip
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from liq.config import Settings
from liq.errors import QueryError, RejectedMessage
from liq.ingest.recording import Recorder
from liq.ingest.venues import VENUES
from liq.query import queries
from liq.records.model import Source
from liq.web.dashboard import inspector
from liq.web.dashboard.inspector import _find_raw, build_key, format_raw, inspect
from support.rows import insert
from web.dashboard.conftest import fresh

pytestmark = pytest.mark.stack


def keys(settings: Settings) -> list[str]:
    prints = queries.hit("latest_prints", settings=settings)
    return [build_key(row) for row in prints.itertuples(index=False)]


def test_the_inspector_finds_the_row_and_its_message(own: Settings, tmp_path: Path) -> None:
    settings = own.model_copy(update={"home": tmp_path})
    one = fresh(100, exchange="okx", symbol="BTC/USDT:x", event_id=-(2**62) + 1)
    insert(own, [one, fresh(100, exchange="okx", symbol="BTC/USDT:x", event_id=7)])
    recorder = Recorder(settings.recordings, "okx")
    recorder.write(b'{"arg":1}', one.recv_ts, Source.LIVE)
    recorder.close()
    (wanted,) = [text for text in keys(own) if str(one.event_id) in text]
    found = inspect(wanted, settings)
    assert found.row["event_id"] == one.event_id
    assert found.row["recv_ts"].value // 1000 == one.recv_ts
    assert found.units["notional"] == "USD"
    assert found.venue is VENUES["okx"]
    assert found.raw == '{\n  "arg": 1\n}'
    assert found.problem == ""


def test_the_inspector_gives_the_reason_for_no_message(own: Settings, tmp_path: Path) -> None:
    settings = own.model_copy(update={"home": tmp_path})
    one = fresh(100, age=60)
    insert(own, [one])
    assert "--record" in inspect(keys(own)[0], settings).problem
    settings.recordings.mkdir()
    moment = datetime.fromtimestamp(one.recv_ts / 1e6 - 1, UTC)
    broken = settings.recordings / f"binance_usdm-{moment:%Y%m%dT%H%M%S.%fZ}.jsonl.gz"
    broken.write_bytes(b"no gzip")
    assert "is no recording" in inspect(keys(own)[0], settings).problem


@pytest.mark.parametrize(("age", "reason"), [(0, "not yet"), (-3600, "not recorded")])
def test_a_message_is_not_awaited_because_its_clock_was_ahead(
    age: float, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspector, "_WRITTEN_S", 60.0)  # a busy machine takes seconds
    settings = Settings.load(home=tmp_path)
    raw, problem, wait_s = _find_raw("okx", int((time.time() - age) * 1e6) - 1000, settings)
    assert (raw, problem.partition(":")[0], wait_s > 0) == ("", reason, reason == "not yet")


def test_the_inspector_reports_a_print_that_is_gone(own: Settings) -> None:
    with pytest.raises(QueryError, match="no print of okx X"):
        inspect('["2026-01-01T00:00:00+00:00",1,"okx","X"]', own)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"a":[1]}', '{\n  "a": [\n    1\n  ]\n}'),
        (gzip.compress(b"[]", mtime=0), "[]"),
        (b"pong", "pong"),
        (b"\xff", "\ufffd"),
    ],
)
def test_raw_frames_are_made_readable(raw: bytes, text: str) -> None:
    assert format_raw(raw) == text


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (gzip.compress(b"[]", mtime=0)[:-9], "cut off"),
        (gzip.compress(bytes(2 << 20), mtime=0), "1,048,576 bytes"),
    ],
)
def test_a_gzip_that_is_broken_or_large_is_one_clear_error(raw: bytes, reason: str) -> None:
    with pytest.raises(RejectedMessage, match=reason):
        format_raw(raw)


def test_every_venue_has_a_rule() -> None:
    for venue in VENUES.values():
        assert "Source: https://" in venue.rule
