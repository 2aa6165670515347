"""A script that got into a page of ours: it does not run, and the page works all the same."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import nbformat
import pytest
from playwright.async_api import Browser

from browser.conftest import Visit, opened, serving
from liq.config import Settings
from liq.stack import health
from liq.web import api, serve
from support.helpers import eventually, find_free_ports, running

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LISTEN = """
window.ran = [];
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) =>
  refused.push(event.effectiveDirective));
"""
# as markup that a page shows, and as a script that is already in would go on
ATTACK = """() => {
  const add = (html) => {
    const box = document.createElement("div");
    document.body.append(box);
    box.innerHTML = html;
  };
  const script = (attributes) =>
    document.body.append(Object.assign(document.createElement("script"), attributes));
  add(`<img src="/nothing.png" onerror="ran.push('onerror')">`);
  add(`<img src="data:,x" onerror="ran.push('data onerror')">`);
  add(`<svg onload="ran.push('onload')"></svg>`);
  add(`<iframe srcdoc="<script>parent.ran.push('srcdoc')</script>"></iframe>`);
  add(`<details open ontoggle="ran.push('ontoggle')">x</details>`);
  add(`<a id="attack" href="javascript:ran.push('link')">x</a>`);
  document.getElementById("attack").click();
  script({ textContent: "ran.push('inline')" });
  script({ src: "data:text/javascript,ran.push('data')" });
  script({ src: "http://127.0.0.2:9/x.js" });
  new Image().src = "http://127.0.0.2:9/stolen.png";
  fetch("http://127.0.0.2:9/stolen").catch(() => 0);
  add(`<base href="http://127.0.0.2:9/">`);
  add(`<form action="http://127.0.0.2:9/"><button id="send">x</button></form>`);
  document.getElementById("send").click();
}"""
HOSTILE = """
from IPython.display import HTML, Javascript, Markdown, display
import ipywidgets
attack = '''<img src="/nothing.png" onerror="ran.push('onerror')">
<script>ran.push("inline")</script><svg onload="ran.push('onload')"></svg>hostile'''
display(HTML(attack), Markdown(attack), Javascript("window.ran.push('javascript')"))
display(ipywidgets.HTML(attack), ipywidgets.Label("drawn"))
"""
DRAWING = """
import plotly.graph_objects as go
from liq.web.dashboard.widgets import Plot
figure = {"data": [{"type": "bar", "y": [1, 2]}], "layout": {}}
display(go.Figure(figure), Plot(spec=figure))
"""
BARS = "document.querySelectorAll('.js-plotly-plot .bars .point path').length"
_SERVER = """
from pathlib import Path
from liq.common import files
from liq.web import serve
files.find_asset = lambda name: Path({folder!r})
serve.run_dashboard(pool=0, browser=False)
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("liq")
    return Settings.load(home=home, **find_free_ports()).with_lab_token()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Notebooks whose outputs are hostile, and draw."""
    folder = tmp_path_factory.mktemp("notebooks")
    for name in ("dashboard", "hostile"):
        notebook = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
            cells=[nbformat.v4.new_code_cell(source) for source in (HOSTILE, DRAWING)],
        )
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


@pytest.fixture(scope="module")
def dashboard(
    settings: Settings, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    log = tmp_path_factory.mktemp("dashboard") / "log"
    with serving(settings, log, program=("-c", _SERVER.format(folder=str(folder)))):
        yield serve.build_dashboard_url(settings)


@asynccontextmanager
async def visited(chromium: Browser, url: str) -> AsyncIterator[Visit]:
    """Open a page that keeps what its policy refuses."""
    async with opened(chromium, "about:blank") as visitor:
        await visitor.page.context.add_init_script(LISTEN)
        await visitor.page.goto(url, wait_until="commit")
        yield visitor


async def attacked(visitor: Visit, least: int = 8) -> None:
    """Fail unless every attack on the page is refused."""
    await visitor.page.evaluate(ATTACK)
    await visitor.until(f"window.refused.length >= {least}")
    # a script may run late: no event shows that none does
    await visitor.page.wait_for_timeout(500)
    assert await visitor.page.evaluate("window.ran") == []
    refused = set(await visitor.page.evaluate("window.refused"))
    assert {"script-src-elem", "script-src-attr", "img-src", "connect-src"} <= refused
    assert {"form-action", "base-uri"} <= refused
    assert not await visitor.page.evaluate("document.cookie.includes('liq-')")
    assert "token" not in visitor.page.url
    assert await visitor.page.evaluate("document.referrer") == ""


@pytest.mark.parametrize("path", ["", "apps/hostile", "apps", "nothing"])
async def test_no_script_runs_in_a_page_of_the_dashboard(
    chromium: Browser, dashboard: str, path: str
) -> None:
    url = dashboard.replace("/?", f"/{path}?")
    async with visited(chromium, url) as visitor:
        if path in ("", "apps/hostile"):
            await visitor.drawn()
            await visitor.shows("drawn")
            await visitor.until(f"{BARS} >= 4")
            assert await visitor.page.evaluate("window.ran") == []
        else:
            await visitor.page.wait_for_load_state()
            assert await visitor.page.evaluate("window.refused") == []
        await attacked(visitor)


async def test_no_script_runs_in_the_login(chromium: Browser, dashboard: str) -> None:
    async with visited(chromium, dashboard.split("?", maxsplit=1)[0]) as visitor:
        await visitor.page.wait_for_selector("#password_input")
        assert await visitor.page.evaluate("window.refused") == []
        await attacked(visitor)


async def test_no_script_runs_in_the_docs_of_the_api(chromium: Browser, settings: Settings) -> None:
    with running(settings, "-m", "liq", "api"):
        eventually(lambda: health.is_listening("127.0.0.1", settings.api_port))
        async with visited(chromium, api.build_url(settings)) as visitor:
            await visitor.shows("GET /v1/totals")
            assert await visitor.page.evaluate("window.refused") == []
            await attacked(visitor)


async def test_no_script_runs_in_jupyterlab_and_it_works(
    chromium: Browser, settings: Settings, folder: Path, tmp_path: Path
) -> None:
    with serving(settings, tmp_path / "log", "--folder", str(folder), command="lab"):
        url = serve.build_lab_url(settings).replace("/lab?", "/lab/tree/hostile.ipynb?")
        async with visited(chromium, url) as visitor:
            page = visitor.page
            await page.wait_for_selector(".jp-Notebook .jp-CodeCell")
            assert await page.evaluate("window.refused") == []
            await visitor.run_cells(".liq-plot .bars .point path")  # of the last cell
            await visitor.until(f"{BARS} >= 4")
            # what a cell displays as JavaScript is code of its own; what it displays as HTML is not
            assert set(await page.evaluate("window.ran")) <= {"javascript"}
            await page.evaluate("window.ran = []")
            await attacked(visitor)
            data = json.loads(await page.inner_text("#jupyter-config-data", timeout=1000))
            assert not data["token"]


async def test_no_script_runs_in_streamlit(chromium: Browser, settings: Settings) -> None:
    with running(settings, "-m", "liq", "streamlit", "--no-browser"):
        eventually(lambda: health.is_listening("127.0.0.1", settings.streamlit_port))
        async with visited(chromium, settings.streamlit_url) as visitor:
            await visitor.shows("start it with: liq api", ".stApp")
            assert await visitor.page.evaluate("window.refused") == []
            await attacked(visitor)
