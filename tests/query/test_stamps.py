from typing import Any

import pandas as pd
import pytest

from liq.query.stamps import row_hash

MOMENTS: list[Any] = ["2026-01-01T00:00:00.000001Z", None]
OTHERS: list[Any] = ["2026-01-01T00:00:00.000002Z", None]
FRAME = pd.DataFrame(
    {
        "ts": pd.to_datetime(MOMENTS).astype("datetime64[us, UTC]"),
        "symbol": ["BTCUSDT", None],
        "count": pd.array([1, None], dtype="Int64"),
        "usd": [0.1 + 0.2, float("nan")],
        "on": [True, False],
    }
)


def test_the_hash_is_as_documented() -> None:
    # made by hand of the definition, e.g. with sha256sum
    #   ["ts","symbol","count","usd","on"]
    #   ["","","","","False"]
    #   ["2026-01-01T00:00:00.000001Z","BTCUSDT","1","0.3","True"]
    assert row_hash(FRAME) == "4232961b2389fa81006355ea2a017b22a4351d917804b59d67243d0dc805c24a"


def test_the_order_of_rows_and_the_last_bits_of_sums_do_not_count() -> None:
    other = FRAME[::-1].assign(usd=[float("nan"), 0.3])
    assert FRAME["usd"][0] != 0.3
    assert row_hash(other) == row_hash(FRAME)


@pytest.mark.parametrize(
    "change",
    [
        {"usd": [0.3000001, float("nan")]},
        {"usd": [0.3, 0.0]},
        {"symbol": ["BTCUSDT", "ETHUSDT"]},
        {"count": [1, 0]},
        {"on": [True, True]},
        {"ts": pd.to_datetime(OTHERS)},
    ],
)
def test_every_value_counts(change: dict[str, list[object]]) -> None:
    assert row_hash(FRAME.assign(**change)) != row_hash(FRAME)  # type: ignore[arg-type] # any column


def test_names_and_doubled_rows_count() -> None:
    hashes = {row_hash(each) for each in (FRAME, FRAME.rename(columns={"usd": "eur"}),
                                          pd.concat([FRAME, FRAME]), FRAME.head(0))}  # fmt: skip
    assert len(hashes) == 4
