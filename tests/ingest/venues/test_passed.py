"""Reports that a parser skips on purpose are counted, each time."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from liq.delivery.intake import Intake
from liq.delivery.messaging import Publisher
from liq.errors import RejectedMessage
from liq.ingest.venues import VENUES
from liq.ingest.venues.base import Parsed, SkipReason
from liq.records.model import Source

HOUR = 3_600_000_000
RECV = 1_692_266_435_000_000
LATER = 1_763_623_734_400_000  # when the messages of Lighter were received
LATER_STILL = 1_765_210_291_000_000  # and those of dYdX


def passed(venue: str, raw: bytes, instruments: Any, recv_ts: int = RECV) -> dict[SkipReason, int]:
    try:
        found = VENUES[venue].parse(raw, instruments, recv_ts)
    except RejectedMessage as rejection:
        found = rejection.accepted
    return dict(found.passed) if isinstance(found, Parsed) else {}


@pytest.mark.parametrize(
    ("venue", "frame", "recv_ts", "expected"),
    [
        ("okx", "several", RECV, {}),
        ("okx", "several", RECV + HOUR, {SkipReason.OLD: 3}),
        ("okx", "contradictory", RECV + HOUR, {SkipReason.OLD: 2}),
        ("okx", "control", RECV, {}),
        ("okx", "margin", RECV, {SkipReason.NO_NOTIONAL: 1}),
        ("okx", "option", RECV, {SkipReason.NO_NOTIONAL: 1}),
        ("binance_usdm", "documented", RECV, {}),
        ("binance_usdm", "partial", RECV, {SkipReason.STILL_OPEN: 1}),
        ("binance_usdm", "unfilled", RECV, {SkipReason.UNFILLED: 1}),
        ("binance_usdm", "of_coinm", RECV, {SkipReason.OTHER_KIND: 1}),
        ("binance_usdm", "acknowledged", RECV, {}),
        ("binance_coinm", "of_usdm", RECV, {SkipReason.OTHER_KIND: 1}),
        ("binance_coinm", "open", RECV, {SkipReason.STILL_OPEN: 1}),
        ("bitmex", "partial", RECV, {SkipReason.EARLIER: 1}),
        ("bitmex", "update", RECV, {SkipReason.FOLLOW_UP: 1}),
        ("bitmex", "delete", RECV, {SkipReason.FOLLOW_UP: 1}),
        ("bitmex", "control", RECV, {}),
        ("kraken", "snapshot", 1_790_360_004_441_000, {SkipReason.OLD: 1}),
        ("kraken", "termination", RECV, {SkipReason.TERMINATION: 1}),
        ("aster", "partial", RECV, {SkipReason.STILL_OPEN: 1}),
        ("aster", "unfilled", RECV, {SkipReason.UNFILLED: 1}),
        ("bitmex", "quanto", RECV, {SkipReason.NO_MARK: 1}),
        ("bitmex", "not_in_dollars", RECV, {SkipReason.NOT_IN_DOLLARS: 1}),
        ("bitfinex", "not_in_dollars", RECV, {SkipReason.NOT_IN_DOLLARS: 1}),
        ("bitfinex", "match", RECV, {SkipReason.FOLLOW_UP: 1}),
        ("bitfinex", "sold", RECV, {SkipReason.FOLLOW_UP: 2}),
        ("bitfinex", "heartbeat", RECV, {}),
        ("lighter", "several", RECV, {SkipReason.DELEVERAGED: 2}),
        ("lighter", "several", LATER + HOUR, {SkipReason.OLD: 4}),
        ("lighter", "subscribed", LATER, {SkipReason.OLD: 1}),
        ("lighter", "quiet", LATER, {}),
        ("dydx", "several", RECV, {SkipReason.DELEVERAGED: 1}),
        ("dydx", "several", LATER_STILL + HOUR, {SkipReason.OLD: 3}),
        ("dydx", "subscribed", LATER_STILL, {SkipReason.OLD: 1}),
        ("dydx", "ordinary", LATER_STILL, {}),
        ("orderly", "without_a_position", RECV, {SkipReason.UNFILLED: 1}),
        ("orderly", "claim", RECV, {SkipReason.FOLLOW_UP: 1}),
        ("orderly", "several", RECV, {}),
    ],
)
def test_a_report_that_is_passed_over_has_its_reason(
    recording_of: Callable[[str], Any],
    venue: str,
    frame: str,
    recv_ts: int,
    expected: dict[SkipReason, int],
) -> None:
    recording = recording_of(venue)
    found = passed(venue, recording.frames[frame], recording.instruments, recv_ts)
    assert found == expected


ORDER = {"S": "SELL", "o": "LIMIT", "f": "IOC", "q": "1", "p": "9", "ap": "9", "X": "FILLED",
         "l": "1", "z": "1", "T": RECV // 1000}  # fmt: skip


@pytest.mark.parametrize(
    ("symbol", "kind", "owner"),
    [
        ("BTCUSDT", {"st": 1, "ps": "BTCUSDT"}, "binance_usdm"),
        ("BTCUSDT", {}, "binance_usdm"),
        ("BTCUSDT_260925", {}, "binance_usdm"),
        ("BTCUSD_PERP", {"st": 2, "ps": "BTCUSD"}, "binance_coinm"),
        ("BTCUSD_PERP", {}, "binance_coinm"),
        ("BTCUSD_200925", {}, "binance_coinm"),
        ("BTCUSD_200925", {"st": "2"}, "binance_coinm"),  # of no documented type: by the name
        ("BTCUSD_200925", {"st": 1}, "binance_coinm"),  # as in Binance's Go connector
        ("BTCFDUSD_261225", {"st": 1}, "binance_usdm"),  # quoted in FDUSD
    ],
)
def test_each_of_binances_feeds_takes_its_own_kind_alone(
    recording_of: Callable[[str], Any], symbol: str, kind: dict[str, Any], owner: str
) -> None:
    order, event = {"s": symbol, **ORDER}, {"e": "forceOrder", "E": 1}
    within, beside = {**event, "o": order | kind}, {**event, "o": order, **kind}
    instruments = recording_of("binance_coinm").instruments
    for venue in ("binance_usdm", "binance_coinm"):
        for document in (within, beside):
            raw = json.dumps(document).encode()
            records = VENUES[venue].parse(raw, instruments, RECV)
            assert [one.symbol for one in records] == ([symbol] if venue == owner else [])
            expected = {} if venue == owner else {SkipReason.OTHER_KIND: 1}
            assert passed(venue, raw, instruments) == expected


@pytest.mark.parametrize(
    ("symbol", "owner"), [("BTCUSDT", "binance_usdm"), ("BTCUSD_PERP", "binance_coinm")]
)
def test_a_third_kind_is_rejected_by_the_feed_that_its_name_belongs_to(
    recording_of: Callable[[str], Any], symbol: str, owner: str
) -> None:
    order = {"s": symbol, **ORDER, "st": 3}
    raw = json.dumps({"e": "forceOrder", "E": 1, "o": order}).encode()
    instruments = recording_of("binance_coinm").instruments
    for venue in ("binance_usdm", "binance_coinm"):
        if venue == owner:
            with pytest.raises(RejectedMessage, match="unknown kind of contract st 3"):
                VENUES[venue].parse(raw, instruments, RECV)
        else:
            assert passed(venue, raw, instruments) == {SkipReason.OTHER_KIND: 1}


async def test_an_intake_counts_passed_reports_over_frames_beside_rejected_messages(
    recording_of: Callable[[str], Any],
) -> None:
    recording = recording_of("okx")
    intake = Intake(VENUES["okx"], recording.instruments, Publisher())
    for _ in range(2):
        await intake.take(recording.frames["several"], RECV + HOUR, Source.LIVE)
    assert intake.passed == {SkipReason.OLD: 6}
    assert intake.newest is None


async def test_an_intake_remembers_the_frames_before(recording_of: Callable[[str], Any]) -> None:
    recording = recording_of("bitfinex")
    intake = Intake(VENUES["bitfinex"], recording.instruments, Publisher())
    start = [91684, [["pos", 1, RECV // 1000, None, "tETHBTC", 1, 0.03, None, 0, 1, None, None]]]
    for _ in range(2):
        await intake.take(json.dumps(start).encode(), RECV, Source.LIVE)
    assert intake.passed == {SkipReason.NOT_IN_DOLLARS: 1, SkipReason.FOLLOW_UP: 1}
