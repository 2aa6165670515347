"""No text from outside runs as code: markup in every text column and topic, every page in Chromium.

Tables, columns, boards, apps, notebooks and endpoints are taken from the code, so a new one is
tried without a change here. Each payload ends with ¤, the name of its column and ¦: where a page
shows ¤, the payload must stand before it, literally.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import EnumType
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import quote

import nbformat
import pytest
import pytest_asyncio
from kafka import KafkaProducer
from nbformat.sign import NotebookNotary
from playwright.async_api import Browser, Page

from browser.conftest import serving, threaded, wait_until_drawn
from liq import stack as local
from liq.common import files
from liq.config import Settings
from liq.delivery import connect
from liq.delivery.deadletters import list_letters
from liq.delivery.messaging import client_options
from liq.notebook import notebooks, reports
from liq.query import queries, questdb
from liq.records.streams import STREAMS, Stream
from liq.web import serve
from liq.web.dashboard.board_queries import BOARDS
from liq.web.voila_app import gallery
from support.helpers import (
    PATIENCE_S,
    answers,
    choose_pause_s,
    eventually,
    find_free_ports,
    own_streams,
    running,
)

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

ROOT = Path(__file__).parents[2]
PAYLOADS = (
    "<img src=x onerror=\"pwned('{}')\">",
    "<script>pwned('{}')</script>",
    '"><svg onload="pwned(\'{}\')">',
    "</script><script>pwned('{}')</script>",
    "<a href=\"javascript:pwned('{}')\">link</a>",
    "<b>bold</b>",
)
PLAIN = {
    "exchange": "bybit",
    "symbol": "BTCUSDT",
    "base": "BTC",
    "quote": "USDT",
    "kind": "mark",
    "query": "totals",
}
TEXTS = ("SYMBOL", "VARCHAR")
PRINTS = 6  # at once: a cascade
APPS = [app for app in gallery.list_apps(files.find_asset("notebooks")) if app.name != gallery.HOME]
# What a page must show, at least; all else it may show or not, but never as markup. A row whose
# side, source or the like is none of those that there are is in no query but that of odd rows.
SHOWN = {
    "Overview": {f"liquidations.{name}" for name in ("exchange", "symbol")},
    "Prices": set(),
    "Cascades": {"liquidations.asset", "liquidations.exchange"},
    "Patterns": {"liquidations.exchange"},
    "Alerts": {"alerts.rule", "alerts.message"},
    "Feeds": {"health.exchange"},
    "02-explore": {f"liquidations.{name}" for name in ("exchange", "symbol")},
    "03-pipeline": {"letters.value", "letters.key", "letters.reason"}
    | {f"liquidations.{name}" for name in ("side", "source", "completeness", "price_kind")},
    "05-cascades": {"liquidations.asset", "liquidations.exchange"},
    "report": {"liquidations.symbol", "liquidations.exchange", "alerts.message"},
    "streamlit": {"liquidations.symbol", "liquidations.exchange"},
    "JupyterLab": {"liquidations.symbol", "liquidations.base", "liquidations.side"},
}
LOOK = """payloads => {
    const heads = payloads.map(text => text.toLowerCase());
    const found = { shown: [], faults: [], ran: window.liqPwned ?? [] };
    const nodes = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
    while (nodes.nextNode()) {
        const node = nodes.currentNode;
        if (["SCRIPT", "STYLE"].includes(node.parentElement?.tagName)) continue;
        // JSON has a backslash before quotes, a drop-down blanks that do not break
        const text = node.data.toLowerCase().replaceAll('\\\\"', '"').replaceAll("\\u00a0", " ");
        const [first, ...rest] = text.split("¤");
        let before = first;
        for (const part of rest) {
            const [, name, end] = part.match(/^([a-z_.]*)(.?)/);
            const cut = end !== "¦"; // as pandas does with long text
            const isKnown = head => before.endsWith(head.replace("{}", name));
            if (!heads.some(cut ? head => before.includes(head.split("{}")[0]) : isKnown))
                found.faults.push(node.data);
            else if (!cut) found.shown.push(name);
            before = part;
        }
    }
    const made = [...document.querySelectorAll("[onerror*=pwned], [onload*=pwned], [href]")];
    // the query of a link may hold a name, percent-encoded
    const isMade = element => !element.href || element.protocol === "javascript:";
    for (const element of made.filter(isMade)) found.faults.push(element.outerHTML);
    return found;
}"""
CHART = ".js-plotly-plot .cartesianlayer .subplot"  # a chart that is drawn
HOVER = """async () => {
    for (const plot of document.querySelectorAll(".js-plotly-plot"))
        for (const curveNumber of (plot.data ?? []).keys())
            try { window.Plotly?.Fx.hover(plot, [{ curveNumber, pointNumber: 0 }]); } catch {}
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


def payload(kind: int, where: str) -> str:
    return PAYLOADS[kind % len(PAYLOADS)].format(where) + f"¤{where}¦"


def rows(stream: Stream, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield rows with a payload in each text column alone, then in all; each kind of payload."""
    columns = stream.columns()
    texts = [name for name, kind in columns.items() if kind in TEXTS]
    variants = [
        (kind, chosen)
        for kind in range(len(PAYLOADS))
        for chosen in ([], *([one] for one in texts), texts)
    ]
    table = stream.name
    for number, (kind, chosen) in enumerate(variants):
        for again in range(PRINTS):
            moment = now - timedelta(seconds=4 * (len(variants) - number), milliseconds=300 * again)
            yield {
                name: payload(kind, f"{table}.{name}")
                if name in chosen
                else plain(stream, name, moment, PRINTS * number + again)
                for name in columns
            }


def plain(stream: Stream, name: str, moment: datetime, number: int) -> Any:
    """Return a value that is in order."""
    kind, hint = stream.columns()[name], get_type_hints(stream.record)[name]
    if kind in TEXTS:
        choices = list(hint) if isinstance(hint, EnumType) else ["plain"]
        return PLAIN.get(name, str(choices[0]))
    return {
        "TIMESTAMP": moment,
        "DOUBLE": 150_000.0 + number,
        "LONG": number + 1,
        "BOOLEAN": True,
    }[kind]


def write_rows(settings: Settings, stream: Stream, now: datetime) -> None:
    """Write straight into QuestDB, past the schema."""
    given = list(rows(stream, now))
    names = list(stream.columns())
    one = f"({', '.join(['%s'] * len(names))})"
    table = stream.table(settings)
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([one] * len(given))}"  # noqa: S608
    values = [
        value.replace(tzinfo=None) if isinstance(value, datetime) else value
        for row in given
        for value in row.values()
    ]
    questdb.execute(sql, values, settings)
    eventually(lambda: questdb.read_wal_state(table, settings).pending == 0)


def publish(settings: Settings, now: datetime) -> None:
    """Write to every topic: records whose every text is markup, and dead letters."""
    producer = KafkaProducer(**client_options(settings))
    for kind in range(len(PAYLOADS)):
        for stream in STREAMS:
            row = {
                name: payload(kind, f"{stream.name}_topic.{name}")
                if column in TEXTS
                else plain(stream, name, now, kind)
                for name, column in stream.columns().items()
            }
            text = json.dumps(row, default=lambda moment: round(1e6 * moment.timestamp()))
            producer.send(
                stream.topic(settings), text.encode(), payload(kind, "topic.key").encode()
            )
        headers = [
            (name, payload(kind, f"letters.{name}").encode())
            for name in ("reason", "topic", "source", "recv_ts", "__connect.errors.topic")
        ]
        key, value = (payload(kind, f"letters.{name}").encode() for name in ("key", "value"))
        producer.send(settings.dlq_topic, value, key, headers)
        producer.send(settings.dlq_topic, value, None, [*headers, ("venue", key)])
    producer.flush()
    producer.close()


@pytest.fixture(scope="module")
def hostile(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Tables and topics of this test's own, full of markup."""
    ports = find_free_ports()
    served = ("dashboard_port", "lab_port", "api_port", "streamlit_port", "simulator_port")
    settings = own_streams(stack).model_copy(update={name: ports[name] for name in served})
    local.provision(settings)
    now = datetime.now(UTC)
    for stream in STREAMS:
        write_rows(settings, stream, now)
    publish(settings, now)
    eventually(lambda: len(list_letters(settings)) >= 2 * len(PAYLOADS))
    yield settings
    for stream in STREAMS:
        connect.remove(settings, stream)


@asynccontextmanager
async def opened(chromium: Browser, url: str) -> AsyncIterator[Page]:
    """Open a page that keeps what ran, without the policy that refuses to run what got in."""
    context = await chromium.new_context(
        viewport={"width": 1400, "height": 1000}, bypass_csp=True, color_scheme="dark"
    )
    context.set_default_timeout(1_000 * PATIENCE_S)
    await context.add_init_script(
        "window.liqPwned = []; window.pwned = name => window.liqPwned.push(name);"
    )
    page = await context.new_page()
    await page.goto(url, wait_until="commit")
    try:
        yield page
    finally:
        await page.goto("about:blank")
        await context.close()


async def look(page: Page, name: str) -> None:
    """Fail unless the page shows what it must, all of it as text, and no script of it ran."""
    wanted = SHOWN.get(name, set())
    seen: set[str] = set()
    begin = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await page.evaluate(HOVER)
            found = await page.evaluate(LOOK, list(PAYLOADS))
            assert found["ran"] == []
            assert found["faults"] == []
            seen |= set(found["shown"])
            if wanted <= seen:
                return
            await asyncio.sleep(choose_pause_s(time.monotonic() - begin))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dashboard(
    hostile: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The address of ``liq dashboard``."""
    log = tmp_path_factory.mktemp("markup") / "log"
    async with threaded(serving(hostile, log, "--pool", "0")):
        yield serve.build_dashboard_url(hostile)


async def test_every_board_and_the_inspector_show_markup_as_text(
    chromium: Browser,
    dashboard: str,
) -> None:
    async with opened(chromium, dashboard) as page:
        for board in BOARDS:
            await page.get_by_role("tab", name=board, exact=True).click()
            drawn = f".liq-{board.lower()} {CHART}, .liq-alerts"
            await page.wait_for_selector(drawn, state="attached")
            await look(page, board)
            assert not "".join(await page.locator(".liq-fault").all_inner_texts())
        await page.get_by_role("tab", name="Overview", exact=True).click()
        await page.get_by_role("button", name="Pause").click()
        await page.locator(".liq-tape tr[data-key]", has_text="¤").first.click()
        await page.wait_for_selector(".liq-inspection table")
        await look(page, "Overview")


@pytest.mark.parametrize("app", [None, *APPS], ids=lambda app: app.name if app else "gallery")
async def test_every_app_shows_markup_as_text(
    chromium: Browser,
    dashboard: str,
    app: gallery.App | None,
) -> None:
    path = app.path if app else "apps"
    async with opened(chromium, dashboard.replace("/?", f"/{path}?")) as page:
        if app:
            await wait_until_drawn(page)
        await look(page, app.name if app else "gallery")


async def test_every_notebook_shows_markup_as_text_in_jupyterlab(
    chromium: Browser,
    hostile: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All are run as one, in one kernel, and opened as a notebook that the reader trusts."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", str(tmp_path / "settings"))
    tracker = tmp_path / "settings" / "@jupyterlab" / "notebook-extension"
    tracker.mkdir(parents=True)
    every = {"windowingMode": "none"}  # it draws what is out of sight, too
    (tracker / "tracker.jupyterlab-settings").write_text(json.dumps(every))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    ran = notebooks.run(together(tmp_path), settings=hostile)
    file = folder / "every.ipynb"
    nbformat.write(ran, file)
    notary = NotebookNotary()
    notary.sign(nbformat.read(file, as_version=4))
    notary.store.close()
    argv = ("-m", "liq", "lab", "--no-browser", "--folder", str(folder))
    async with threaded(running(hostile, *argv)):
        url = serve.build_lab_url(hostile)
        await asyncio.to_thread(eventually, lambda: answers(url, below=500))
        async with opened(chromium, url.replace("/lab?", "/lab/tree/every.ipynb?")) as page:
            await page.wait_for_selector(".jp-RenderedHTMLCommon table", state="attached")
            await look(page, "JupyterLab")


def together(folder: Path) -> Path:
    """Write a notebook of all notebooks' cells, about the last minutes."""
    cells = []
    for file in sorted(files.find_asset("notebooks").glob("*.ipynb")):
        one = nbformat.read(file, as_version=4)
        for cell in one.cells:
            cells.append(cell)
            if "parameters" in cell.metadata.get("tags", ()):
                text = 'window, step = "10m", "30s"'
                cells.append(nbformat.v4.new_code_cell(text))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    whole = nbformat.v4.new_notebook(cells=cells, metadata=one.metadata)
    path = folder / "every.ipynb"
    nbformat.write(whole, path)
    return path


async def test_the_report_shows_markup_as_text(
    chromium: Browser,
    hostile: Settings,
    tmp_path: Path,
) -> None:
    file = reports.write(tmp_path / "report.html", "10m", settings=hostile)
    async with opened(chromium, file.as_uri()) as page:
        await page.wait_for_selector(CHART, state="attached")
        await look(page, "report")


@pytest.fixture(scope="module")
def api(hostile: Settings) -> Iterator[str]:
    with running(hostile, "-m", "liq", "api"):
        eventually(lambda: answers(f"{hostile.api_url}/docs", below=500))
        yield hostile.api_url


async def test_the_apis_pages_rows_and_errors_show_markup_as_text(
    chromium: Browser,
    api: str,
) -> None:
    paths = ["docs", "openapi.json", ""]
    paths += [f"{key}?rows=50" for key in queries.queries()]
    for kind in range(len(PAYLOADS)):
        evil = quote(payload(kind, "request.text"), safe="")
        paths += [f"docs?token={evil}", evil, f"docs/{evil}", f"totals?{evil}=1"]
        paths.append(f"totals?{('window', 'symbols', 'format', 'rows')[kind % 4]}={evil}")
    async with opened(chromium, "about:blank") as page:
        for path in paths:
            answer = await page.goto(f"{api}/{path}")
            assert answer
            assert answer.headers["x-content-type-options"] == "nosniff"
            await look(page, path)


async def test_streamlit_shows_markup_as_text(
    chromium: Browser,
    api: str,
    hostile: Settings,
) -> None:
    port = str(hostile.streamlit_port)
    argv = ("-m", "streamlit", "run", str(ROOT / "dashapp.py"), "--server.port", port)
    async with threaded(running(hostile, *argv)):
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(eventually, lambda: answers(f"{url}/_stcore/health", below=500))
        async with opened(chromium, url) as page:
            await page.wait_for_selector(CHART, state="attached")
            await look(page, "streamlit")
            await page.get_by_label("Symbols", exact=True).fill(payload(0, "typed.symbol"))
            await page.get_by_label("Symbols", exact=True).press("Enter")
            await page.get_by_text("no liquidations recorded in this window").first.wait_for()
            await look(page, "streamlit, of nothing")
