import ast
import inspect
import json
import pickle
import pydoc
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import liq
from liq.common import files
from liq.config import Settings
from liq.errors import ConfigError, LiqWarning, QueryError
from liq.query import callables, catalogue, coverage, exports, queries, questdb
from liq.query.listing import Listing, describe_units
from liq.query.parameters import Parameter
from liq.web.assistants import answers
from support.rows import health, insert, liquidation, own_table, report

SHIPPED = queries.queries()
STUB = Path(callables.__file__).with_name("hits.pyi")


@pytest.mark.parametrize("key", SHIPPED)
def test_each_query_is_a_function_with_signature_and_docstring(key: str) -> None:
    function = getattr(liq.hit, key)
    params = inspect.signature(function).parameters
    assert [*params] == [*SHIPPED[key].params, "settings"]
    assert all(param.kind is inspect.Parameter.KEYWORD_ONLY for param in params.values())
    text = function.__doc__
    for column, facts in SHIPPED[key].columns.items():
        assert f"{column}: {facts.dtype}" in text
    assert all(f"    {name}: " in text for name in SHIPPED[key].params)


def test_functions_can_be_pickled_and_follow_edits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pickle.loads(pickle.dumps(liq.hit.totals)) is liq.hit.totals  # noqa: S301 - ours
    assert pickle.loads(pickle.dumps(liq.hit))  # noqa: S301
    file = tmp_path / "mine.json"
    settings = Settings.load(home=tmp_path, queries=file)
    monkeypatch.setattr("liq.config.settings", lambda: settings)
    for number in (1, 2):
        file.write_text(json.dumps({"mine": {"sql": "SELECT 1", "description": "x" * number}}))
        assert liq.hit["mine"].__doc__ == "x" * number


def test_defaults_of_a_signature_are_values_of_the_parameter() -> None:
    for query in SHIPPED.values():
        given = {
            name: param.default
            for name, param in callables.build_signature(query).parameters.items()
            if name != "settings"
        }
        left_out = queries.validate(query.key, query.params, {})
        assert queries.validate(query.key, query.params, given) == left_out


def test_names_of_queries_and_of_liq_are_listed() -> None:
    assert dir(liq.hit) == sorted(SHIPPED)
    assert "TYPE_CHECKING" not in dir(liq)
    assert not [name for name in vars(liq) if name in ("Any", "importlib", "sys", "typing")]
    assert repr(liq.hit) == f"<liq.hit: {len(SHIPPED)} queries, see liq.queries()>"


def test_an_unknown_query_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="did you mean 'top_symbols'"):
        _ = liq.hit.top_symbls  # type: ignore[attr-defined]
    with pytest.raises(QueryError, match="did you mean 'top_symbols'"):
        liq.hit["top_symbls"]
    assert not hasattr(liq.hit, "_repr_html_")
    assert not hasattr(liq.hit, "__wrapped__")


def test_an_unreadable_catalogue_does_not_break_completion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.load(home=tmp_path, queries=tmp_path / "none.json")
    monkeypatch.setattr("liq.config.settings", lambda: settings)
    assert dir(liq.hit) == []
    assert repr(liq.hit) == "<liq.hit: 0 queries, see liq.queries()>"
    with pytest.raises(AttributeError, match="cannot read"):
        _ = liq.hit.totals


def test_a_parameter_that_is_no_name_in_python_can_still_be_given() -> None:
    params = {name: Parameter(type="string") for name in ("from", "self", "key", "least")}
    query = catalogue.Query("mine", "SELECT 1", "x", params, {})
    signature = inspect.signature(callables.build_function(query))
    assert [*signature.parameters] == ["self", "key", "least", "settings", "others"]
    signature.bind(least="1", **{"from": "2"})
    assert "    from:" in callables.render_docstring(query)


def test_own_queries_in_place_of_those_about_coverage_harm_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.json"
    sql = "SELECT 1 AS prints FROM {table} WHERE ts > %(since)s AND ts < %(until)s"
    other = {"sql": sql, "description": "x", "common": ["window", "until"]}
    names = ("mine", "feed_coverage", "left_out", "coverage", "sources")
    file.write_text(json.dumps(dict.fromkeys(names, other)))
    settings = Settings.load(home=tmp_path, queries=file)
    monkeypatch.setattr(questdb, "fetch", lambda *_, **__: pd.DataFrame({"prints": [1]}))
    notes = liq.hit("mine", settings=settings).attrs["notes"]
    assert [each.partition(":")[0] for each in notes] == [
        "coverage is unknown",
        "not known whether rows were left out",
    ]
    frame, stamp = exports.fetch_stamped("mine", settings=settings)
    assert (len(frame), stamp.coverage) == (1, None)
    for name in ("feed_coverage", "left_out", "sources"):
        query = queries.find(name, settings)
        values = queries.resolve(query, {})
        window = coverage.find_window(query, frame, values)
        assert window
        found = coverage.fetch_beside(name, query, frame, values, window, settings=settings)
        assert found is None
        assert frame.attrs["notes"][-1].endswith(f": your query {name} has other columns")


@pytest.mark.parametrize("name", ["feed_coverage", "left_out"])
def test_a_faulty_query_about_coverage_means_unknown_and_not_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({name: {}}))
    settings = Settings.load(home=tmp_path, queries=file)
    rows = {"prints": [1], "rows": [0], "exchange": [""], "source": [""], "connected": [True]}
    rows |= {"stopped": [False], "missing_s": [0.0], "missing": [0.0]}

    def fetch(sql: str, *_: object, **__: object) -> pd.DataFrame:
        return pd.DataFrame() if "materialized_views" in sql else pd.DataFrame(rows)

    monkeypatch.setattr(questdb, "fetch", fetch)
    notes = liq.hit("totals", settings=settings).attrs["notes"]
    assert notes[0].startswith("not known whether feeds were disconnected or rows left out: ")
    assert f"entry '{name}': " in notes[0]
    text = answers.answer("totals", {}, settings).text
    assert f"note: what the rows lack is not known: your query {name} cannot be used" in text


def test_help_says_what_liq_does_and_how_a_query_is_called() -> None:
    text = pydoc.plain(pydoc.render_doc(liq))
    assert text.count(">>> ") >= 3
    assert "liq.hit.top_symbols(window=" in text
    assert "hit = <liq.hit: " in text
    text = pydoc.plain(pydoc.render_doc(liq.hit.totals))
    assert "totals(\n" in text or "totals(*, " in text
    assert "One row: the totals of the window." in text


def test_queries_are_a_table_and_a_mapping() -> None:
    listing = liq.queries()
    assert listing == dict(SHIPPED)
    frame = listing.to_frame()
    row = frame.set_index("query").loc["totals"]
    assert row["answers"] == "One row: the totals of the window."
    assert str(row["parameters"]).startswith("window, since, until")
    assert str(row["units"]).startswith("long_usd, short_usd, net_usd, largest_usd in USD; ")
    lines = repr(listing).splitlines()
    assert len(lines) == len(SHIPPED) + 1
    assert max(map(len, lines)) <= 80
    assert describe_units({"a": "USD", "n": "rows", "b": "USD"}) == "a, b in USD; n in rows"


def test_texts_of_a_catalogue_are_escaped_in_its_table() -> None:
    query = catalogue.Query("<b>", "SELECT 1", "<script>1</script>", {}, {})
    html = Listing({query.key: query})._repr_html_()
    assert "<script>" not in html
    assert "&lt;b&gt;" in html
    long = Listing({"a" * 200: query, "b": query})
    assert "a" * 200 in repr(long)
    assert max(map(len, repr(Listing({"b": query, "c" * 30: query})).splitlines())) <= 80
    assert repr(Listing({})) == "liq.hit.NAME? describes one: its parameters and columns"


def test_the_stub_is_that_of_the_shipped_catalogue() -> None:
    shipped = catalogue.load(files.find_asset("queries.json")).queries
    assert STUB.read_text() == callables.render_stub(shipped), "run make docs"
    [hit] = [node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ClassDef)]
    methods = {node.name: node for node in hit.body if isinstance(node, ast.FunctionDef)}
    assert methods.keys() - {"__call__", "__getitem__"} == SHIPPED.keys()
    for key, query in SHIPPED.items():
        signature = callables.build_signature(query).parameters
        arguments = methods[key].args
        assert [one.arg for one in arguments.kwonlyargs] == [*signature]
        defaults = [default and ast.literal_eval(default) for default in arguments.kw_defaults]
        assert defaults == [param.default for param in signature.values()]
        assert ast.get_docstring(methods[key]) == inspect.cleandoc(
            callables.render_docstring(query)
        )


def test_a_stub_takes_any_catalogue() -> None:
    param = Parameter(type="string", choices=['a"\\', "b"], description='"""\\N')
    query = catalogue.Query("x", "", 'A text with """ and \\', {"p": param}, {})
    compile(callables.render_stub({"x": query}), "hits.pyi", "exec")


RIGHT = """
from datetime import UTC, datetime, timedelta

import liq
from liq import hit
from pandas import DataFrame


def rows(symbols: list[str]) -> DataFrame:
    return liq.hit.top_symbols(window="15m", symbols=symbols, limit=3)


totals: DataFrame = hit.totals(window=timedelta(hours=1), until=datetime.now(UTC))
hit.totals(since="2026-01-01", until="2026-01-02", exchange=("okx",), min_notional=1_000)
hit.liquidations_by_bucket(bucket="5m", window=900)
hit("top_symbols", window="15m")
key: str = "mine"
own: DataFrame = liq.hit(key, anything=1)
liq.hit["mine"](anything=1)
liq.read("top.csv").attrs["units"]
liq.queries()["totals"].summary
"""
WRONG = """
import liq

liq.hit.top_symbls()
liq.hit.top_symbols(windw="15m")
liq.hit.top_symbols(limit="three")
liq.hit.top_symbols("15m")
liq.hit.liquidations_by_bucket(bucket="7m")
n: int = liq.hit.totals()
"""


def check_types(folder: Path, code: str) -> list[str]:
    (folder / "mine.py").write_text(code)
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(folder / "cache"), "mine.py"]
    checked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not checked.stderr
    return [line for line in checked.stdout.splitlines() if ": error: " in line]


@pytest.mark.slow
def test_mypy_checks_a_users_file_against_the_stub(tmp_path: Path) -> None:
    assert not check_types(tmp_path, RIGHT)
    errors = check_types(tmp_path, WRONG)
    assert [int(line.split(":")[1]) for line in errors] == [4, 5, 6, 7, 8, 9]
    assert 'maybe "top_symbols"' in errors[0]


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    settings = own_table(stack)
    insert(settings, [liquidation("2026-01-01T10:00:00", 100, symbol="ETHUSDT")])
    moments = ("2026-01-01T09:59:00", "2026-01-01T10:00:00")
    report(settings, [health(moment, exchange="okx", connected=False) for moment in moments])
    return settings


WINDOW: dict[str, Any] = {"since": "2026-01-01T09:30", "until": "2026-01-01T10:30"}


@pytest.mark.stack
def test_each_way_of_a_call_gives_the_same_rows(own: Settings) -> None:
    rows = liq.hit.by_exchange(settings=own, **WINDOW)
    assert len(rows) == 1
    assert liq.hit("by_exchange", settings=own, **WINDOW).equals(rows)
    assert liq.hit["by_exchange"](settings=own, **WINDOW).equals(rows)


@pytest.mark.stack
def test_a_result_notes_units_gaps_and_unknown_names(own: Settings) -> None:
    frame = liq.hit.totals(settings=own, **WINDOW)
    assert frame.attrs["units"]["long_usd"] == "USD"
    assert [note for note in frame.attrs["notes"] if "disconnected" in note and "okx" in note]
    unknown = ["coverage is unknown: no feed reported in this window"]
    bybit = liq.hit.totals(exchange="bybit", settings=own, **WINDOW)
    assert bybit.attrs["notes"] == unknown
    with pytest.warns(LiqWarning, match="no row has the symbol 'NOPE'") as caught:
        frame = liq.hit.totals(symbols="NOPE", settings=own, **WINDOW)
    assert caught[0].filename == __file__
    assert len(frame.attrs["notes"]) == 2
    with pytest.warns(LiqWarning, match="no row has the exchange 'bybitt'; nearest: bybit"):
        frame = liq.hit.totals(exchange="bybitt", settings=own, **WINDOW)
    assert len(frame.attrs["notes"]) == 1  # that its feed did not report is no news
    assert "notes" not in liq.hit.price_by_bucket(settings=own, **WINDOW).attrs


@pytest.mark.stack
def test_the_future_is_no_gap(stack: Settings) -> None:
    settings = own_table(stack)
    now = datetime.now(UTC)
    report(settings, [health(now - timedelta(seconds=second)) for second in range(-300, 61)])
    window: dict[str, Any] = {"since": now - timedelta(minutes=1), "until": now + timedelta(days=1)}
    assert "notes" not in liq.hit.totals(settings=settings, **window).attrs
    window = {"since": now + timedelta(hours=1), "until": now + timedelta(days=1)}
    begin = f"{window['since']:%Y-%m-%dT%H:%M:%SZ}"
    cascade = {"from_ts": window["since"], "to_ts": window["until"]}
    for key, given in (("totals", window), ("cascade_prints", cascade)):
        with pytest.warns(LiqWarning, match="in the future"):
            frame = liq.hit(key, settings=settings, **given)
        # the same in a second: equal answers of the API have one tag
        assert frame.attrs["notes"] == [f"the window is in the future: it begins at {begin}"]
    for key, needed in (
        ("print", "ts and exchange and symbol and event_id"),
        ("cascade_prints", "from_ts and to_ts"),
    ):
        with pytest.warns(LiqWarning, match=f"^{key} has no rows without {needed}$"):
            assert liq.hit(key, settings=settings).empty


@pytest.mark.parametrize("call", [liq.hit.totals, lambda *given: liq.hit("totals", *given)])
def test_a_value_without_a_name_is_refused_with_the_way_to_give_it(
    call: Callable[..., object],
) -> None:
    with pytest.raises(QueryError, match=r"by name: liq\.hit\.totals\(window='1h'\); valid are: "):
        call("1h")
    assert "unnamed" not in str(inspect.signature(liq.hit))


@pytest.mark.parametrize(
    "call",
    [
        liq.hit.totals,
        partial(liq.hit, "totals"),
        liq.queries,
        partial(liq.read, "totals.csv"),
        partial(liq.export, "totals", "totals.csv"),
        partial(liq.alerts.backtest, "long_burst"),
    ],
)
def test_other_values_than_settings_are_refused_without_their_text(
    call: Callable[..., object],
) -> None:
    with pytest.raises(
        ConfigError, match=r"^settings must be a liq\.config\.Settings, not dict; leave it out or"
    ) as raised:
        call(settings={"token": "a-secret"})
    assert "a-secret" not in str(raised.value)


@pytest.mark.parametrize("given", [(), ("",), (None,), (["totals"],)])
def test_a_call_without_a_query_says_how_to_name_one(given: tuple[Any, ...]) -> None:
    with pytest.raises(QueryError, match=r'liq\.hit\("totals"\); liq\.queries\(\) lists'):
        liq.hit(*given)
    assert inspect.signature(liq.hit).parameters["key"].default is inspect.Parameter.empty


def test_a_misspelt_query_of_the_table_gets_a_suggestion() -> None:
    with pytest.raises(KeyError, match="unknown query 'totls', did you mean 'totals'"):
        liq.queries()["totls"]
    assert "totls" not in liq.queries()
    number: Any = 0
    assert number not in liq.queries()
    assert liq.queries().get("totls") is None
