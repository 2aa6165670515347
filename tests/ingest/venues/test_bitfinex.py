import json
from typing import Any

import pytest

from liq.errors import RejectedMessage
from liq.ingest.venues.base import Parse, Parsed, SkipReason
from liq.ingest.venues.bitfinex import BITFINEX
from liq.records.model import PriceKind
from support.recordings import Recording

NO_PRICE = None


def frame(position: int, price: float | None, *, match: int = 0, pair: str = "tBTCUSD") -> str:
    """One row, as those of ccxt's pull request 20989."""
    row = ["pos", position, 1594036710534, None, pair, 0.0392, 43000, None, match, 1, None, price]
    return json.dumps([91684, [row]])


def take(parse: Parse, recording: Recording, raw: str) -> tuple[list[Any], dict[SkipReason, int]]:
    found = parse(raw, recording.instruments, recording.recv_ts)
    return list(found), dict(found.passed) if isinstance(found, Parsed) else {}


def test_a_position_counts_once_over_messages(recording: Recording) -> None:
    parse = BITFINEX.create_parser()
    [start], skipped = take(parse, recording, frame(1, NO_PRICE))
    assert (start.price_kind, skipped) == (PriceKind.ENTRY, {})
    follow_up: tuple[list[Any], Any] = ([], {SkipReason.FOLLOW_UP: 1})
    assert take(parse, recording, frame(1, 42735)) == follow_up
    assert take(parse, recording, frame(1, 42735, match=1)) == follow_up
    [taken_over], _ = take(parse, recording, frame(2, 42735))
    assert (taken_over.price, taken_over.price_kind) == (42735, PriceKind.BANKRUPTCY)


def test_feeds_remember_their_own_positions(recording: Recording) -> None:
    first, second = BITFINEX.create_parser(), BITFINEX.create_parser()
    for parse in (first, second):
        assert len(take(parse, recording, frame(1, NO_PRICE))[0]) == 1


def test_a_rejected_position_is_not_remembered(recording: Recording) -> None:
    parse = BITFINEX.create_parser()
    with pytest.raises(RejectedMessage, match="unknown contract"):
        take(parse, recording, frame(1, NO_PRICE, pair="tNEWUSD"))
    with pytest.raises(RejectedMessage, match="no positive number"):
        take(parse, recording, frame(2, -1))
    assert len(take(parse, recording, frame(2, 42735))[0]) == 1
    with pytest.raises(RejectedMessage, match="unknown contract"):  # known once it is listed
        take(parse, recording, frame(1, NO_PRICE, pair="tNEWUSD"))


def test_the_latest_positions_are_remembered(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.ingest.venues.canonical._REMEMBERED", 2)
    parse = BITFINEX.create_parser()
    counts = [len(take(parse, recording, frame(one, 42735))[0]) for one in (1, 2, 2, 3, 2, 1)]
    assert counts == [1, 1, 0, 1, 0, 1]
