"""Names in parameters: a wrong case is corrected, a wrong name reported, wherever it is given."""

import json
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from waitress.server import create_server

import liq
from liq.analysis.alerts.evaluator import check
from liq.config import Settings
from liq.errors import LiqWarning, QueryError
from liq.query import names, queries
from liq.query.exports import read_stamp
from liq.query.formats import MEDIA_TYPES
from liq.web import api
from liq.web.client import ApiClient
from support.helpers import PATIENCE_S, find_free_ports, running
from support.proxy import Statements
from support.rows import insert, insert_one_of_each, insert_prices, liquidation, own_table, price

END = "2026-01-01T01:00:00"
ROWS = [
    liquidation("2026-01-01T00:10:05", 1000),
    liquidation("2026-01-01T00:11:05", 10, exchange="bybit", symbol="ETHUSDT", base="ETH"),
    liquidation("2026-01-01T00:12:05", 1, exchange="bitfinex", symbol="tBTCUSD"),
    liquidation("2026-01-01T00:12:05", 2, exchange="bitfinex", symbol="TBTCUSD", base="TB"),
]


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    settings = own_table(stack)
    insert(settings, ROWS)
    return settings


def prints(settings: Settings, **given: Any) -> int:
    return int(liq.hit("totals", settings=settings, until=END, **given)["prints"].item())


@pytest.mark.stack
@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({"assets": "btc"}, 2),
        ({"assets": ["Btc", "eth"]}, 3),
        ({"assets": "btc,BTC"}, 2),
        ({"assets": "XBT"}, 2),
        ({"symbols": "btcusdt"}, 1),
        ({"symbols": "tBTCUSD"}, 1),  # as it is, though another one differs by case alone
        ({"exchange": "ByBit"}, 1),
        ({"exchange": "gate"}, 0),  # a venue without rows is no wrong name
    ],
)
def test_names_are_taken_in_any_case(own: Settings, given: dict[str, Any], count: int) -> None:
    assert prints(own, **given) == count


@pytest.mark.stack
@pytest.mark.parametrize(
    ("given", "note"),
    [
        ({"assets": "NOPE"}, "assets: no row has the asset 'NOPE'"),
        ({"assets": ["BTC", "BTX"]}, "assets: no row has the asset 'BTX'; nearest: BTC"),
        ({"symbols": "ETHUSD"}, "symbols: no row has the symbol 'ETHUSD'; nearest: ETHUSDT"),
        ({"symbols": "tbtcusd"}, "symbols: no row has the symbol 'tbtcusd'; nearest: TBTCUSD, tB"),
        ({"exchange": "binance"}, "exchange: no row has the exchange 'binance'; nearest: binance_"),
    ],
)
def test_a_name_that_no_row_has_is_reported_with_the_nearest(
    own: Settings, given: dict[str, Any], note: str
) -> None:
    with pytest.warns(LiqWarning) as emitted:
        frame = liq.hit("totals", settings=own, until=END, **given)
    [warning] = emitted
    assert str(warning.message).startswith(note)
    assert warning.filename == __file__
    assert frame.attrs["notes"][0] == str(warning.message)


@pytest.mark.stack
def test_a_cell_that_is_run_again_is_reported_again(own: Settings) -> None:
    cell = compile("liq.hit('totals', settings=own, assets='NOPE')", "cell", "eval")
    scope = {"liq": liq, "own": own}
    with warnings.catch_warnings(record=True) as emitted:
        warnings.simplefilter("default")
        for _ in range(3):
            eval(cell, scope)  # noqa: S307 - as a notebook does
    assert len(emitted) == 3


@pytest.mark.stack
def test_a_name_counts_from_its_first_row_on(stack: Settings) -> None:
    settings = own_table(stack)
    for _ in range(2):
        with pytest.warns(LiqWarning, match="no row has the asset 'BTC'"):
            assert prints(settings, assets="BTC") == 0
    insert(settings, ROWS[:1])
    assert prints(settings, assets="BTC") == 1


@pytest.mark.stack
def test_a_default_that_no_row_has_is_no_wrong_name(stack: Settings) -> None:
    assert liq.hit("heatmap", settings=own_table(stack)).empty  # of BTC, which nobody asked for


@pytest.mark.stack
def test_many_names_cost_one_look_each_time_and_known_ones_none(own: Settings) -> None:
    with Statements(own.questdb_pg_port) as wire:
        tapped = own.model_copy(update={"questdb_pg_port": wire.port})

        def asked(*symbols: str) -> int:
            before = len(wire.texts)
            queries.fetch("totals", tapped, until=END, symbols=symbols)
            return len(wire.texts) - before

        assert [asked("BTCUSDT"), asked("BTCUSDT", "ETHUSDT"), asked("btcusdt")] == [2, 1, 1]
        assert asked(*(f"NOPE{number}" for number in range(300))) == 2


@pytest.mark.stack
def test_the_notes_are_few_and_short(own: Settings) -> None:
    wrong = ["x" * 10_000, *(f"NOPE{number}" for number in range(300))]
    notes = queries.fetch("totals", own, until=END, symbols=wrong).attrs["notes"]
    assert notes[-1] == "symbols: 296 more that no row has"
    assert len(notes) == 6
    assert max(map(len, notes)) < 200


@pytest.mark.stack
def test_prices_and_rules_have_names_too(stack: Settings) -> None:
    settings = own_table(stack)
    insert_one_of_each(settings, "2026-01-01T00:20:00")
    sol = price("2026-01-01T00:10:05", 5, symbol="SOLUSDT", base="SOL")
    insert_prices(settings, [sol])  # of which there is no liquidation
    assert len(liq.hit("price_by_bucket", asset="sol", until=END, settings=settings))
    assert len(liq.hit("alerts", rules="A", until=END, settings=settings)) == 1
    with pytest.warns(LiqWarning, match="rules: no row has the rule 'B'"):
        assert liq.hit("alerts", rules="B", until=END, settings=settings).empty


@pytest.mark.stack
def test_an_export_is_stamped_with_the_names_that_were_meant(own: Settings, tmp_path: Path) -> None:
    path = tmp_path / "totals.parquet"
    with pytest.warns(LiqWarning, match="'NOPE'") as emitted:
        stamp = liq.export("totals", path, settings=own, until=END, assets=["btc", "NOPE"])
    assert emitted[0].filename == __file__
    assert stamp.params["assets"] == ["BTC", "NOPE"]
    assert stamp.notes == read_stamp(path).notes == [str(emitted[0].message)]


@pytest.mark.stack
def test_the_api_answers_with_notes(own: Settings) -> None:
    client = api.create_app(own).test_client()
    for out in MEDIA_TYPES:
        given = {"until": END, "assets": "btc,NÖPE\r\nX: 1", "format": out.upper()}
        answer = client.get("/totals", query_string=given)
        assert answer.status_code == 200
        [note] = json.loads(answer.headers["X-Notes"])
        assert "no row has the asset 'NÖPE" in note
        assert "X" not in answer.headers
    assert client.get(f"/totals?until={END}&assets=btc").get_json()[0]["prints"] == 2
    assert "X-Notes" not in client.get(f"/totals?until={END}&assets=btc").headers


@pytest.fixture
def served(own: Settings) -> Iterator[Settings]:
    settings = own.model_copy(update={"api_port": find_free_ports()["api_port"]})
    server = create_server(api.create_app(settings), host=settings.host, port=settings.api_port)
    thread = Thread(target=server.run)
    thread.start()
    yield settings
    server.close()
    thread.join()


@pytest.mark.stack
def test_the_client_warns_as_liq_hit_does(served: Settings) -> None:
    with closing(ApiClient(served)) as client:
        with pytest.warns(LiqWarning, match="no row has the asset 'NOPE'") as emitted:
            frame = client.hit("totals", until=END, assets=["btc", "NOPE"])
        assert emitted[0].filename == __file__
        assert frame["prints"].item() == 2
        assert client.fetch("totals", until=END, assets="NOPE").attrs["notes"]


@pytest.mark.stack
def test_the_command_line_says_it_on_stderr(own: Settings, tmp_path: Path) -> None:
    given = ["-p", f"until={END}", "-p", "assets=btc,NOPE"]
    for out in ([], ["--out", str(tmp_path / "totals.csv")]):
        with running(own, "-m", "liq", "hit", "totals", *given, *out) as process:
            output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, output
        assert output.count("note: assets: no row has the asset 'NOPE'") == 1
        assert "Warning" not in output


@pytest.mark.stack
def test_a_rule_that_can_hardly_fire_is_reported(own: Settings, tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    rule = {
        "description": "x", "query": "totals", "column": "prints", "is": ">", "threshold": 1,
        "message": "x", "window": "1h", "params": {"assets": "NOPE"},
    }  # fmt: skip
    file.write_text(json.dumps({"mine": rule}))
    [finding] = check(own.model_copy(update={"alerts": file}))
    assert finding.fault == ""
    assert "no row has the asset 'NOPE'" in finding.notes[0]


def test_a_questdb_that_is_unreachable_is_reported_by_the_query_alone(unused_tcp_port: int) -> None:
    settings = Settings(questdb_pg_port=unused_tcp_port)
    query = queries.find("totals", settings)
    values = queries.resolve(query, {"assets": "btc"})
    assert names.match_stored(query, values, settings) == (values, [])


def test_only_texts_can_be_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    entry = {"sql": "SELECT %(n)s", "description": "x"}
    file.write_text(
        json.dumps({"one": entry | {"params": {"n": {"type": "int", "names": "asset"}}}})
    )
    with pytest.raises(QueryError, match="names are texts"):
        queries.find("one", Settings.load(home=tmp_path, queries=file))
