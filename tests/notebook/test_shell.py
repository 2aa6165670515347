"""Tab, `?` and results in a real kernel, as JupyterLab and other front ends use it."""

import re
import socket
from collections.abc import Hashable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.completer import CompletionContext
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from liq.config import Settings
from liq.ingest.venues import VENUES
from liq.notebook import completion, shell
from liq.query import names, queries
from liq.query.parameters import list_days
from support.rows import health, insert, liquidation, own_table, report

_PATIENCE_S = 120
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
MOMENT = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
HALF = timedelta(minutes=30)
KEYS = [*queries.queries()]


class Kernel:
    """A notebook: cells are run, and keys are pressed."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, code: str) -> str:
        """Return what the cell shows, as text and HTML."""
        shown: list[str] = []

        def collect(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "execute_result":
                shown.extend(content["data"].get(kind, "") for kind in ("text/plain", "text/html"))
            elif message["msg_type"] in ("stream", "error"):
                shown.append(content.get("text") or f"{content['ename']}: {content['evalue']}")

        self._client.execute_interactive(code, timeout=_PATIENCE_S, output_hook=collect)
        return "\n".join(shown)

    def press_tab(self, code: str) -> list[str]:
        """Return the code with each completion put in."""
        reply = self._client.complete(code, reply=True, timeout=_PATIENCE_S)["content"]
        start, end = reply["cursor_start"], reply["cursor_end"]
        return [code[:start] + match + code[end:] for match in reply["matches"]]

    def press_shift_tab(self, code: str) -> str:
        reply = self._client.inspect(code, reply=True, timeout=_PATIENCE_S)["content"]
        return COLOURS.sub("", reply["data"]["text/plain"])


def start(environment: dict[str, str]) -> Iterator[Kernel]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        manager, client = start_new_kernel(startup_timeout=_PATIENCE_S)
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def silent() -> Iterator[Settings]:
    """A QuestDB that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Settings(questdb_host="127.0.0.1", questdb_pg_port=server.getsockname()[1])


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory, silent: Settings) -> Iterator[Kernel]:
    """A kernel whose QuestDB does not answer, with a catalogue of its own."""
    home = tmp_path_factory.mktemp("home")
    (home / "mine.json").write_text('{"mine": "SELECT 1", "my_prints": "SELECT 1"}')
    yield from start(
        {
            "LIQ_HOME": str(home),
            "LIQ_QUERIES": str(home / "mine.json"),
            "LIQ_QUESTDB_PG_PORT": str(silent.questdb_pg_port),
        }
    )


def test_import_loads_nothing_more_and_adds_completion_once(away: Kernel) -> None:
    loaded = "import sys, liq; sorted({'pandas', 'psycopg', 'plotly'} & set(sys.modules))"
    assert away.run(loaded).startswith("[]")
    count = "len(get_ipython().Completer.custom_matchers)"
    before = away.run(count)
    assert away.run(f"%load_ext liq\n{count}") == before


def test_tab_after_liq_offers_its_names_alone(away: Kernel) -> None:
    away.run("import liq")
    offered = {text.removeprefix("liq.") for text in away.press_tab("liq.")}
    assert offered == {
        "alerts", "charts", "Dashboard", "export", "hit", "LiqError", "Producer", "queries", "read",
        "Settings",
    }  # fmt: skip


def test_tab_completes_queries_parameters_and_values(away: Kernel) -> None:
    away.run("import liq\nfrom liq import hit")
    assert away.press_tab("liq.hit.top") == ["liq.hit.top_assets", "liq.hit.top_symbols"]
    assert {f"liq.hit.{key}" for key in [*KEYS, "mine", "my_prints"]} == {
        *away.press_tab("liq.hit.")
    }
    assert away.press_tab("liq.hit('top_s") == ["liq.hit('top_symbols"]
    assert away.press_tab('liq.export("my') == ['liq.export("my_prints']
    assert any("my_prints" in text for text in away.press_tab("liq.hit['my"))
    params = [f"{name}=" for name in (*queries.queries()["totals"].params, "settings")]
    for call in ("liq.hit.totals(", "hit('totals', ", "liq.hit['totals'](window='1h', "):
        assert sorted(away.press_tab(call)) == sorted(call + param for param in params)
    for code, completed in {
        "liq.hit.totals(wi": "liq.hit.totals(window=",
        "hit('totals', since='2026-01-01', un": "hit('totals', since='2026-01-01', until=",
        "liq.hit.venue_share(bucket='30": "liq.hit.venue_share(bucket='30s",
        "f(hit.totals(exchange=['okx', 'BYBIT_": "f(hit.totals(exchange=['okx', 'bybit_inverse",
        "liq.hit.totals(\n    window='1": "liq.hit.totals(\n    window='15m",
        "liq.hit.totals(exchange='okx,bitm": "liq.hit.totals(exchange='okx,bitmex",
    }.items():
        assert completed in away.press_tab(code), code


def test_tab_ends_soon_and_says_nothing_while_questdb_does_not_answer(away: Kernel) -> None:
    away.run("import liq")
    code = "liq.hit.totals(symbols='BT"
    assert code + "CUSDT" not in away.press_tab(code)
    venues = away.press_tab("liq.hit.totals(exchange='")
    assert len(venues) == len(VENUES)
    assert away.run("1 + 1").strip() == "2"


def test_shift_tab_shows_signature_parameters_and_units(away: Kernel) -> None:
    away.run("import liq")
    shown = away.press_shift_tab("liq.hit.top_symbols")
    assert "window: str | float | datetime.timedelta = '1h'" in shown
    assert "limit: int = 10" in shown
    assert "Symbols by liquidated notional, largest first." in shown
    assert "total_usd: float64, USD" in shown
    assert "Run the query ``key`` of the catalogue" in away.press_shift_tab("liq.hit")


def test_a_wrong_name_names_the_nearest(away: Kernel) -> None:
    away.run("import liq")
    assert "did you mean 'top_symbols'?" in away.run("liq.hit.top_symbls()")
    assert "did you mean 'window'?" in away.run("liq.hit.totals(windw='1h')")


def test_queries_are_shown_as_a_table(away: Kernel) -> None:
    away.run("import liq")
    shown = away.run("liq.queries()")
    assert "<th>query</th><th>answers</th><th>parameters</th><th>units</th>" in shown
    assert ">Symbols by liquidated notional, largest first.<" in shown
    assert "liq.hit.NAME? describes one" in shown


PAGE = (Path(__file__).parents[2] / "docs" / "queries.md").read_text()
[SESSION] = re.findall(r"```\n(In \[1\]: import liq.*?)```", PAGE, re.DOTALL)
CELLS = re.findall(r"^In \[\d+\]: (.*)\n((?:(?!In \[).*\n)*)", SESSION, re.MULTILINE)


@pytest.mark.stack
def test_the_page_shows_what_ipython_shows(stack: Settings) -> None:
    settings = own_table(stack)
    insert(settings, [liquidation("2026-01-01T10:00:00", 1234.5, exchange="bybit")])
    moments = [MOMENT + timedelta(seconds=second) for second in range(3601)]
    report(settings, [health(ts, exchange="okx", connected=ts < MOMENT + HALF) for ts in moments])
    for kernel in start(settings.environ()):
        for code, shown in CELLS:
            if code.endswith("⇥"):
                typed = code.removesuffix("⇥")
                start_of_name = re.search(r"\w*$", typed)
                assert start_of_name
                begun = typed[: start_of_name.start()]
                assert [begun + name for name in shown.split()] == kernel.press_tab(typed)
            else:
                expected = shown.removeprefix("Out[8]:\n").rstrip("…\n")
                assert kernel.run(code).lstrip("\n").startswith(expected)


@pytest.mark.stack
def test_results_show_units_and_what_they_lack_and_tab_knows_stored_names(stack: Settings) -> None:
    settings = own_table(stack)
    now = datetime.now(UTC)
    insert(settings, [liquidation(now - timedelta(minutes=1), 100, symbol="ZZZUSDT", base="ZZZ")])
    report(settings, [health(now - timedelta(minutes=1), exchange="okx", connected=False)])
    for kernel in start(settings.environ()):
        kernel.run("import liq")
        shown = kernel.run("liq.hit.totals(window='10m')")
        assert "long_usd, short_usd, net_usd, largest_usd in USD" in shown
        assert "okx" in shown
        assert shown.count("disconnected") == 2  # as text and as HTML
        assert "<small>" in shown
        assert "disconnected" in kernel.run("liq.hit.totals(window='10m').head(1)")
        assert "okx" not in kernel.run("liq.hit.totals(window='10m', exchange='bybit')")
        assert "in USD" not in kernel.run("import pandas; pandas.DataFrame({'net_usd': [1]})")
        code = "liq.hit.totals(symbols=['zz"
        assert kernel.press_tab(code) == ["liq.hit.totals(symbols=['ZZZUSDT"]


def test_hostile_texts_of_notes_are_escaped() -> None:
    frame = pd.DataFrame({"total_usd": [1.0], "<i>": ["<img src=x>"]})
    frame.attrs = {"query": "x", "units": {"total_usd": "<b>"}, "notes": ["<script>1</script>"]}
    html = shell.render_html(frame)
    assert html
    assert not [tag for tag in ("<script>", "<img", "<i>") if tag in html]
    assert "total_usd in &lt;b&gt;<br>&lt;script&gt;" in html


def test_texts_of_a_result_are_left_aligned() -> None:
    frame = pd.DataFrame({"symbol": ["BTCUSDT"], "total_usd": [1.0], "exchange": ["okx"]})
    frame.attrs = {"query": "x", "units": {"total_usd": "USD"}}
    html = shell.render_html(frame)
    assert html
    name = "liq-texts-0-2"
    assert f"<style>.{name} tr > :nth-child(2), .{name} tr > :nth-child(4) {{" in html
    assert f'<div class="{name}">' in html
    assert shell.render_html(frame) == html  # a notebook that is run again stays the same
    with pd.option_context("display.max_columns", 2):
        shortened = shell.render_html(frame)
    assert shortened
    assert "<style>.liq" not in shortened


def test_a_result_with_levels_of_labels_is_shown_as_pandas_shows_it() -> None:
    frame = pd.DataFrame({"symbol": ["BTCUSDT"], "total_usd": [1.0], "exchange": ["okx"]})
    rows = frame.set_index(["symbol", "exchange"])
    columns = frame.pivot_table(index="symbol", columns="exchange", values=["total_usd"])
    for each in (rows.assign(side="long"), columns, rows):
        each.attrs = {"query": "x", "units": {}, "notes": ["a note"]}
        html = shell.render_html(each)
        assert html == f"{each._repr_html_()}<small>a note</small>"  # type: ignore[operator]


@pytest.mark.parametrize(
    "attrs",
    [{}, {"query": 1}, {"query": "", "units": None}, {"query": "", "units": {}, "notes": 5}],
)
def test_other_frames_are_shown_as_pandas_shows_them(
    attrs: dict[Hashable | None, Any],
) -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = attrs
    ours: Any = InteractiveShell()  # type: ignore[no-untyped-call]
    shell.install(ours)
    shown = ours.display_formatter.format(frame)[0]
    assert shown == {"text/plain": repr(frame), "text/html": shell.render_html(frame)}
    assert shown["text/html"] == frame._repr_html_()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("hit.totals(", ("totals", "", "")),
        ("liq.hit . totals( wi", ("totals", "", "wi")),
        ("hit.totals(window='1h'", None),
        ("hit.totals(window=", None),
        ("hit.totals(window='", ("totals", "window", "")),
        ('hit.totals(exchange=["a", \'b, c', ("totals", "exchange", "c")),
        ("hit.totals(exchange=('a', f(1, 2)), min", ("totals", "", "min")),
        ("hit.totals(x)\nhit('a b', y=1,\n  z", ("a b", "", "z")),
        ("hit.totals(hit.covered(), wi", ("totals", "", "wi")),
        ("hit.totals(symbols='it\\'s ", ("totals", "symbols", "it\\'s ")),
        ("hit.totals()", None),
        ("hit.totals(x) + [", None),
        ("hit(", None),
        ("hits.totals(", None),
        ("print(", None),
        ("hit.totals(**{'win", None),
        ("hit.totals(1 + wi", None),
        ("hit.totals(" * 200 + "wi", ("totals", "", "wi")),
    ],
)
def test_the_place_in_a_call_is_found(text: str, place: tuple[str, str, str] | None) -> None:
    assert completion.find_place(text) == place


def test_tab_puts_no_code_between_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ["BTC-USDT", "1000PEPE", "ÜX"]
    hostile = ["a'])+f()#", 'a"', "a\\", "a\nb", "a b", "a,b", "{f()}"]
    monkeypatch.setattr(names, "list_names", lambda *_: [*plain, *hostile])
    text = "liq.hit.totals(symbols=['"
    found = completion.complete(CompletionContext("", text, len(text), 0, 100))
    assert [each.text for each in found["completions"]] == plain


def test_tab_completes_days_of_a_window() -> None:
    text, before = "liq.hit.totals(since='", list_days()
    found = completion.complete(CompletionContext("", text, len(text), 0, 100))
    assert [each.text for each in found["completions"]] in (before, list_days())  # at midnight
    assert found["suppress"]  # files of the folder, which are no days


def test_odd_code_is_no_place_and_no_error(tmp_path: Path) -> None:
    for text in ("", "hit.", "hit['", "\0", "hit.é(", "hit.totals(" + "[" * 5000, "'" * 999):
        completion.find_place(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("liq.queries()['tot", ["totals"]),
        ("liq.read('totals.csv', 'tot", ["totals"]),
        ("liq.alerts.backtest('long", ["long_burst"]),
        ("liq.read('tot", []),
    ],
)
def test_names_are_completed_where_no_query_is_called(text: str, expected: list[str]) -> None:
    found = completion.complete(CompletionContext("", text, len(text), 0, 100))
    assert [each.text for each in found["completions"]] == expected


def test_a_result_says_that_its_rows_are_simulated_and_its_sums_lower_bounds() -> None:
    frame = pd.DataFrame({"notional": [1.0], "source": ["simulator"], "completeness": ["sampled"]})
    frame.attrs = {"query": "prints", "units": {"notional": "USD"}, "notes": ["a note"]}
    units, note, simulated, bound = shell.describe(frame)
    assert (units, note, simulated) == ("notional in USD", "a note", "SIMULATED DATA")
    assert bound.startswith("≥ sums of these prints are lower bounds")
    assert "SIMULATED DATA" in str(shell.render_html(frame))
    sums = pd.DataFrame({"prints": [1], "not_live": ["changed by the user"]})
    sums.attrs = {"query": "totals", "units": {}}
    assert shell.describe(sums) == []


def test_statistics_of_live_rows_are_neither_simulated_nor_lower_bounds() -> None:
    sums = pd.DataFrame({"long_usd": [1.0, 2.0], "not_live": [0, 0], "partial": [0, 0]})
    prints = pd.DataFrame({"notional": [1.0], "source": ["live"], "completeness": ["full"]})
    for frame in (sums, prints):
        frame.attrs = {"query": "totals", "units": {}}
        for made in (frame.describe(), frame.describe(include="all"), frame.isna(), frame.notna()):
            assert shell.describe(made) == []
    sums["not_live"] = 1
    assert shell.describe(sums) != []
    assert shell.describe(sums.set_index(pd.Index(["BTCUSDT", "ETHUSDT"]))) != []
