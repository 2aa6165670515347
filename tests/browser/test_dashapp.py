"""The Streamlit app as a visitor sees it: Chromium, Streamlit, the API, QuestDB, all real."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from browser.conftest import Visit, opened
from liq.config import Settings
from liq.records.model import Source
from support.helpers import answers, eventually, find_free_ports, running
from support.rows import health, insert, liquidation, own_table, report

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

ROOT = Path(__file__).parents[2]
APP = ".stApp"  # the page's body itself counts as hidden
BARS = """Array.from(
    document.querySelectorAll(".js-plotly-plot .bars .point path"),
    path => path.getAttribute("d")).join()"""


@pytest.fixture(scope="module")
def behind(stack: Settings) -> Iterator[Settings]:
    """A table with one print, and the API on it."""
    ports = find_free_ports()
    settings = own_table(stack).model_copy(update={"api_port": ports["api_port"]})
    insert(settings, [liquidation(datetime.now(UTC) - timedelta(minutes=3), 1000)])
    with running(settings, "-m", "liq", "api"):
        eventually(lambda: answers(f"{settings.api_url}/latest_timestamp"))
        yield settings


@pytest.fixture(scope="module")
def app(behind: Settings) -> Iterator[str]:
    """The address of ``streamlit run dashapp.py``."""
    port = find_free_ports()["lab_port"]
    url = f"http://127.0.0.1:{port}"
    command = ["-m", "streamlit", "run", str(ROOT / "dashapp.py"), "--server.port", str(port)]
    with running(behind, *command) as process:
        eventually(lambda: answers(f"{url}/_stcore/health"))
        sockets = psutil.Process(process.pid).net_connections("tcp")
        listening = [socket.laddr for socket in sockets if socket.status == psutil.CONN_LISTEN]
        assert listening == [("127.0.0.1", port)]
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(chromium: Browser, app: str) -> AsyncIterator[Visit]:
    async with opened(chromium, app) as visitor:
        yield visitor


async def test_dashapp_draws_and_follows_new_prints(visitor: Visit, behind: Settings) -> None:
    await visitor.shows("1 rows", APP)
    await visitor.until(f"{BARS}.length > 0")
    before = await visitor.page.evaluate(BARS)
    now = datetime.now(UTC) - timedelta(minutes=1)
    insert(behind, [liquidation(now, 25_000, source=Source.SIMULATOR)])
    await visitor.shows("2 rows", APP)
    await visitor.shows("26,000", APP)
    await visitor.shows("PARTLY SIMULATED DATA", APP)
    await visitor.until(f"before => {BARS} !== before", before)
    report(behind, [health(now - timedelta(hours=2), exchange="okx")])  # killed then
    await visitor.shows("≥ 1 of 1 feed disconnected: okx", APP)
    await visitor.shows("≥ 26,000", APP)
    await visitor.page.get_by_label("Symbols").fill("ETHUSDT")
    await visitor.page.get_by_label("Symbols").press("Enter")
    await visitor.shows("no liquidations recorded in this window", APP)
    await visitor.shows("no row has the symbol 'ETHUSDT'; nearest: BTCUSDT", APP)
    await visitor.page.get_by_label("Symbols").fill("btcusdt")
    await visitor.page.get_by_label("Symbols").press("Enter")
    await visitor.shows("26,000", APP)
    assert visitor.outside == []
