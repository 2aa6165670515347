"""Feeds that were disconnected, in words."""

import pandas as pd
import pytest

from liq.ingest.venues import VENUES
from liq.query import coverage
from liq.query.exports import Gap

MOMENT = pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime()


def feeds(*rows: tuple[str, str, bool, bool, float]) -> pd.DataFrame:
    columns = ["exchange", "source", "stopped", "connected", "missing"]
    frame = pd.DataFrame(list(rows), columns=columns)
    return frame.assign(missing_s=frame["missing"] * 3600)


@pytest.mark.parametrize(
    ("given", "missed", "expected"),
    [
        ("", [], True),  # an own query's default
        (None, [], True),
        ([], [], True),
        ("okx", [], True),
        ("bybitt", ["bybitt"], False),
        (["bybitt", "okxx"], ["bybitt", "okxx"], False),
        (["bybitt", "okx"], ["bybitt"], True),
    ],
)
def test_rows_are_of_an_exchange_that_no_note_misses(
    given: object, missed: list[str], *, expected: bool
) -> None:
    notes = [f"exchange: no row has the exchange {name!r}" for name in missed]
    others = ["symbols: no row has the symbol 'X'"]
    assert coverage.can_have_rows({"exchange": given}, [*others, *notes]) is expected


def test_lost_feeds_are_named_and_counted_among_the_expected() -> None:
    names = sorted(VENUES.keys() - {"binance_usdm", "gate"})
    lost = [(name, "live", False, False, 1.0) for name in names]
    well = ("binance_usdm", "live", False, True, 0.0)
    ended = ("gate", "simulator", True, False, 0.0)
    assert coverage.summarise_feeds(feeds(*lost, well, ended)) == (
        f"{len(names)} of {len(names) + 1} feeds disconnected: {', '.join(names)}"
    )
    assert coverage.summarise_feeds(feeds(well, ended)) == ""
    assert coverage.summarise_feeds(feeds()) == ""


def test_feeds_that_missed_a_part_are_reported_with_their_share() -> None:
    partly = [
        ("okx", "live", False, True, 0.125),
        ("gate", "simulator", True, False, 0.0001),
        ("bybit", "live", False, False, 0.5),
    ]
    assert coverage.summarise_feeds(feeds(*partly)) == (
        "1 of 2 feeds disconnected: bybit;"
        " disconnected for a part of the window: okx 12.5 %, gate (simulated) < 0.1 %"
    )


def test_feeds_that_all_missed_about_the_same_part_are_counted() -> None:
    """So it is in the first hour of a new stack: nineteen names would hide the share."""
    names = ("okx", "gate", "bybit", "dydx")
    rows = [(name, "live", False, True, 0.9462) for name in names]
    assert coverage.summarise_feeds(feeds(*rows)) == (
        "disconnected for a part of the window: all 4 feeds 94.6 %"
    )
    about = ("htx", "live", False, True, 0.9487)
    assert coverage.summarise_feeds(feeds(*rows, about)) == (
        "disconnected for a part of the window: all 5 feeds 94.6 % to 94.9 %"
    )
    odd = ("htx", "live", False, True, 0.5)
    assert (
        "okx 94.6 %, gate 94.6 %, bybit 94.6 %, dydx 94.6 %, htx 50 %"
        in coverage.summarise_feeds(feeds(*rows, odd))
    )
    well = ("htx", "live", False, True, 0.0)
    assert ", gate 94.6 %, " in coverage.summarise_feeds(feeds(*rows, well))


def test_gaps_are_summed_up_by_feed_and_share_of_the_window() -> None:
    gaps = [
        Gap(exchange=exchange, source=source, from_ts=MOMENT, to_ts=MOMENT, missing_s=missing)
        for exchange, source, missing in (
            ("okx", "live", 20.0), ("gate", "simulator", 60.0), ("okx", "live", 10.0),
        )
    ]  # fmt: skip
    assert coverage.describe_gaps(gaps, 100) == "gate (simulated) 60 %, okx 30 %"
    assert coverage.describe_gaps([], 100) == ""
    many = [
        Gap(exchange=f"{number}", source="live", from_ts=MOMENT, to_ts=MOMENT, missing_s=missing)
        for number, missing in enumerate((97.0, 97.2, 97.0, 97.1))
    ]
    assert coverage.describe_gaps(many, 100) == "4 feeds 97 % to 97.2 %"
    assert coverage.describe_gaps(many[:3], 100) == "1 97.2 %, 0 97 %, 2 97 %"
    assert coverage.describe_gaps(many, 10_000) == "1 0.972 %, 3 0.971 %, 0 0.97 %, 2 0.97 %"


@pytest.mark.parametrize(
    ("part", "text"), [(1, "100 %"), (0.4678, "46.8 %"), (0, "0 %"), (0.0005, "< 0.1 %")]
)
def test_shares_have_three_figures(part: float, text: str) -> None:
    assert coverage.format_share(part) == text
