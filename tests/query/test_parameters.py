import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from liq.errors import QueryError
from liq.query import queries
from liq.query.parameters import Parameter, parse_duration

WORDS = {"int": "whole number", "float": "number", "list": "list of texts", "string": "text"}


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("duration", "90s", timedelta(seconds=90)),
        ("duration", "1.5h", timedelta(minutes=90)),
        ("duration", "2w", timedelta(days=14)),
        ("duration", 60, timedelta(minutes=1)),
        ("duration", "60", timedelta(minutes=1)),
        ("duration", timedelta(days=1), timedelta(days=1)),
        ("int", "5", 5),
        ("int", 5.0, 5),
        ("int", "5.0", 5),
        ("float", "2.5", 2.5),
        ("timestamp", "2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("timestamp", "2026-01-01T00:00:00.000001Z", datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        ("timestamp", "2026-01-01T05:00:00+05:00", datetime(2026, 1, 1, tzinfo=UTC)),
        (
            "timestamp",
            datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5))),
            datetime(2026, 1, 1, tzinfo=UTC),
        ),
        ("timestamp", date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),
        ("list", "BTCUSDT, ETHUSDT,", ["BTCUSDT", "ETHUSDT"]),
        ("list", ("BTCUSDT",), ["BTCUSDT"]),
        ("list", "", []),
        ("string", " x ", "x"),
        ("float", None, None),
    ],
)
def test_value_is_taken_as_its_type(kind: str, given: object, value: object) -> None:
    assert Parameter(type=kind).value("p", given) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("duration", "soon"),
        ("duration", "0s"),
        ("duration", -1),
        ("duration", "nan"),
        ("int", "5.5"),
        ("int", 5.5),
        ("int", "."),
        ("int", "x"),
        ("int", "5\xa0"),
        ("int", "1_0"),
        ("float", "5\xa0"),
        ("float", "1_0"),
        ("float", "inf"),
        ("float", "x"),
        ("timestamp", "yesterday"),
        ("timestamp", 1_700_000_000),
        ("int", True),
        ("int", np.True_),
        ("int", b"5"),
        ("int", Decimal("5.5")),
        ("int", math.nan),
        ("float", b"5"),
        ("float", np.False_),
        ("duration", b"5"),
        ("float", False),
        ("duration", True),
        ("list", {"BTCUSDT": 1}),
        ("list", 5),
        ("list", [5]),
        ("string", 5),
        ("string", "a\0b"),
        ("string", "🚀"),
        ("list", "BTCUSDT,rv\U00097560"),
    ],
)
def test_other_values_are_refused_by_name(kind: str, given: object) -> None:
    with pytest.raises(QueryError, match=f"^p=.* is no {WORDS.get(kind, kind)}: "):
        Parameter(type=kind).value("p", given)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["int", "float", "duration", "timestamp", "column"])
def test_a_long_value_is_shortened_in_its_error(kind: Any) -> None:
    choices: list[str | float] = ["symbol"] if kind == "column" else []
    with pytest.raises(QueryError, match=r"^p='xxx.*x… is no") as caught:
        Parameter(type=kind, choices=choices).value("p", "x" * 1_000_000)
    assert len(str(caught.value)) < 1_000


def test_none_is_the_default() -> None:
    params = {"rows": Parameter(type="int", default=100), "until": Parameter(type="timestamp")}
    expected = {"rows": 100, "until": None}
    assert queries.validate("totals", params, {"rows": None, "until": None}) == expected
    assert queries.validate("totals", params, {}) == expected


def test_bounds_and_choices_are_named() -> None:
    limit = Parameter(type="int", min=1, max=10)
    assert [limit.value("limit", edge) for edge in (1, 10)] == [1, 10]
    with pytest.raises(QueryError, match=r"limit=0 is below the least, 1"):
        limit.value("limit", 0)
    with pytest.raises(QueryError, match=r"limit=11 is above the greatest, 10"):
        limit.value("limit", 11)
    read_from_json = Parameter(type="int", min=1.0, max=10_000.0)
    with pytest.raises(QueryError, match=r"limit=0 is below the least, 1$"):
        read_from_json.value("limit", 0)
    with pytest.raises(QueryError, match=r"limit=10001 is above the greatest, 10000$"):
        read_from_json.value("limit", 10_001)
    window = Parameter(type="duration", max="1d")
    with pytest.raises(QueryError, match="above the greatest, 1d"):
        window.value("window", "25h")
    bucket = Parameter(type="interval", choices=["1s", "1m"])
    with pytest.raises(QueryError, match=r"bucket='1m; DROP' is not a choice.* valid are: 1s, 1m"):
        bucket.value("bucket", "1m; DROP")


@pytest.mark.parametrize(
    ("kind", "given", "forms"),
    [
        ("duration", "1hh", "a span of time is like 30s, 15m, 4h, 7d or 2w, or a number of sec"),
        ("duration", "15M", "a span of time is like 30s, 15m, 4h, 7d or 2w"),  # or months?
        ("duration", [], "a span of time is like 30s, 15m, 4h, 7d or 2w"),
        ("int", "five", "give a whole number, like 5"),
        ("float", "1,5", r"give a number, like 5 or 0\.5"),
        ("timestamp", "1/2/2026", r"give ISO 8601, like 2026-01-31T12:00 \(UTC unless"),
        ("timestamp", 5, "give ISO 8601"),
    ],
)
def test_an_invalid_parameter_is_reported_with_the_valid_forms(
    kind: str, given: object, forms: str
) -> None:
    with pytest.raises(QueryError, match=f"^p=.* is no {WORDS.get(kind, kind)}: {forms}"):
        Parameter(type=kind).value("p", given)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["duration", "int", "float", "timestamp", "list", "string"])
@pytest.mark.parametrize(
    "given", [pd.NaT, pd.NA, math.nan, np.datetime64("NaT"), math.inf, 1j, object()]
)
def test_a_missing_value_or_another_type_is_reported_in_words_of_liq(
    kind: Any, given: object
) -> None:
    with pytest.raises(QueryError, match=r"(: give |: a span of time is like |it is not finite)"):
        Parameter(type=kind).value("p", given)


@pytest.mark.parametrize("given", ["4H", "4 h", " 4h "])
def test_the_case_of_a_span_does_not_matter(given: str) -> None:
    assert parse_duration(given) == timedelta(hours=4)


def test_the_case_of_a_choice_does_not_matter_if_one_alone_is_alike() -> None:
    bucket = Parameter(type="interval", choices=["1m", "1h", "1M"])
    assert [bucket.value("bucket", given) for given in ("1H", "1M", "1m")] == ["1h", "1M", "1m"]
    shipped = Parameter(type="interval", choices=["1m", "1h"])
    with pytest.raises(
        QueryError, match="bucket='1M' is not a choice, did you mean '1m'"
    ):  # a month
        shipped.value("bucket", "1M")
    by = Parameter(type="string", choices=["Base", "BASE"])
    with pytest.raises(QueryError, match=r"by='base' is not a choice.* valid are: Base, BASE"):
        by.value("by", "base")


@pytest.mark.parametrize(
    ("kind", "choices", "given", "nearest"),
    [
        ("column", ["asset", "symbol", "exchange"], "symbl", "symbol"),
        ("column", ["asset", "symbol", "exchange"], "SYMBL", "symbol"),
        ("string", ["all", "gone"], "gon", "gone"),
        ("interval", ["1s", "10s", "1m", "1h"], "12s", "10s"),
        ("interval", ["1s", "30m", "1h"], "60m", "1h"),  # by length: 30m has more letters of it
        ("interval", ["5s", "1m"], "1min", "1m"),
    ],
)
def test_a_misspelt_choice_is_reported_with_the_nearest(
    kind: Any, choices: list[str | float], given: str, nearest: str
) -> None:
    with pytest.raises(QueryError) as caught:
        Parameter(type=kind, choices=choices).value("p", given)
    text, valid = f"p={given!r} is not a choice", ", ".join(map(str, choices))
    assert str(caught.value) == f"{text}, did you mean {nearest!r}? valid are: {valid}"


@pytest.mark.parametrize("given", ["", "#" * 1_000, "99999999999d"])
def test_a_choice_that_is_like_none_is_reported_with_all(given: str) -> None:
    with pytest.raises(QueryError, match=r"is not a choice; valid are: 1s, 1m$"):
        Parameter(type="interval", choices=["1s", "1m"]).value("p", given)


@pytest.mark.parametrize(
    "declared",
    [
        Parameter(type="interval"),
        Parameter(type="interval", choices=["1m) --"]),
        Parameter(type="int", default=0, min=1),
        Parameter(type="duration", max="forever", default="1h"),
    ],
)
def test_senseless_declarations_are_refused(declared: Parameter) -> None:
    with pytest.raises(QueryError, match="parameter p"):
        declared.check("p")


def test_an_invalid_duration_names_the_valid_forms() -> None:
    with pytest.raises(ValueError, match=r"30s, 15m, 4h, 7d or 2w.*greater than 0"):
        parse_duration(0)
    with pytest.raises(ValueError, match="'99999999999d' is too long"):
        parse_duration("99999999999d")
