"""The API's docs page as a visitor sees it: contents, folded forms, answers in the page."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator

from browser.conftest import Visit, opened
from liq.config import Settings
from liq.query import queries
from liq.records.model import Completeness, Source
from liq.web import api
from support.helpers import answers, eventually, find_free_ports, running
from support.rows import insert, liquidation, own_table

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

HOSTILE = "<img src=x onerror=alert(1)>"
LISTEN = """() => {
  window.refused = [];
  document.addEventListener("securitypolicyviolation", (event) =>
    refused.push(event.effectiveDirective));
}"""


@pytest.fixture(scope="module", params=["open", "token", "proxy"])
def served(stack: Settings, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """``liq api`` as it is on loopback, with a token, and below a path."""
    variants: dict[str, dict[str, Any]] = {
        "open": {},
        "token": {"api_token_required": True},
        "proxy": {"base_url": "/liq"},
    }
    own = variants[request.param]
    port = find_free_ports()["api_port"]
    settings = own_table(stack).model_copy(update={"api_port": port, **own})
    now = datetime.now(UTC)
    sampled = {"source": Source.SIMULATOR, "completeness": Completeness.SAMPLED}
    insert(
        settings,
        [
            liquidation(now - timedelta(minutes=3), 1000, symbol=HOSTILE, **sampled),
            *(liquidation(now - timedelta(minutes=4, seconds=one), 1) for one in range(150)),
        ],
    )
    with running(settings, "-m", "liq", "api"):
        eventually(lambda: answers(api.build_url(settings)))
        yield settings


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(chromium: Browser, served: Settings) -> AsyncIterator[Visit]:
    async with opened(chromium, api.build_url(served)) as visitor:
        await visitor.page.wait_for_load_state()
        await visitor.page.evaluate(LISTEN)
        yield visitor


async def ask(visitor: Visit, key: str, **given: str) -> Locator:
    """Unfold a form by the contents, fill it in and send it; return the answer below it."""
    page = visitor.page
    await page.get_by_role("navigation").get_by_role("link", name=key, exact=True).click()
    form = page.locator(f"details[id='{key}'] form")
    await form.wait_for()
    for name, value in given.items():
        field = form.locator(f"[name='{name}']")
        if await field.evaluate("field => field.tagName") == "SELECT":
            await field.select_option(value)
        else:
            await field.fill(value)
    await form.get_by_role("button", name="Run").click()
    answer = form.locator("output")
    await answer.get_by_text("GET").wait_for()
    return answer


async def test_forms_are_folded_below_their_contents(visitor: Visit) -> None:
    page = visitor.page
    keys = list(queries.queries())
    links = page.get_by_role("navigation").get_by_role("link")
    assert await links.all_text_contents() == keys
    assert await page.locator("details[open]").count() == 0
    assert await page.evaluate("document.documentElement.scrollHeight") < 4000
    # by keyboard alone
    await page.locator("details[id='totals'] summary").focus()
    await page.keyboard.press("Enter")
    await page.locator("details[id='totals'] form").wait_for()
    assert (visitor.complaints, visitor.outside) == ([], [])


async def test_an_answer_is_shown_below_its_form(visitor: Visit, served: Settings) -> None:
    answer = await ask(visitor, "totals", window="15m")
    text = await answer.inner_text()
    assert "200" in text
    assert "GET" in text
    assert "/v1/totals?window=15m" in text
    assert "sources: simulated, real" in text or "sources: real, simulated" in text
    assert "≥ sums are lower bounds" in text
    assert "1150" in await answer.locator("table").inner_text()
    await answer.get_by_text("JSON", exact=True).click()
    assert '"long_usd": "USD"' in await answer.locator("pre").inner_text()
    assert served.token.get_secret_value() not in await visitor.page.locator("body").inner_text()
    assert all(served.token.get_secret_value() not in url for url in visitor.requests[1:])
    # a second answer takes the place of the first
    again = await ask(visitor, "totals", window="1s")
    await again.get_by_text("window=1s").wait_for()
    assert await again.locator("table").count() == 1
    assert await visitor.page.evaluate("refused") == []
    assert (visitor.complaints, visitor.outside) == ([], [])


async def test_text_of_rows_stays_text_and_a_long_answer_is_cut(visitor: Visit) -> None:
    answer = await ask(visitor, "latest_prints", limit="200")
    assert HOSTILE in await answer.locator("table").inner_text()
    assert await answer.locator("img").count() == 0
    assert await answer.locator("tr").count() == 101
    assert "the first 100 of 151 rows" in await answer.inner_text()
    assert await visitor.page.evaluate("refused") == []
    assert visitor.complaints == []


async def test_other_formats_are_text_or_a_download(visitor: Visit) -> None:
    answer = await ask(visitor, "top_symbols", format="csv")
    await answer.get_by_text("symbol,asset,long_usd").wait_for()
    form = visitor.page.locator("details[id='top_symbols'] form")
    await form.locator("[name='format']").select_option("parquet")
    async with visitor.page.expect_download() as download:
        await form.get_by_role("button", name="Run").click()
    assert "/v1/top_symbols" in (await download.value).url
    assert visitor.complaints == []


async def test_an_error_is_shown_in_its_place(visitor: Visit) -> None:
    answer = await ask(visitor, "totals", window="1hh")
    await answer.get_by_text("400").wait_for()
    assert "a span of time is like 30s" in await answer.inner_text()
    await visitor.page.route("**/v1/totals*", lambda route: route.abort())
    form = visitor.page.locator("details[id='totals'] form")
    await form.get_by_role("button", name="Run").click()
    await answer.get_by_text("no answer").wait_for()
    assert await visitor.page.evaluate("refused") == []


async def test_the_address_of_a_query_unfolds_it(chromium: Browser, served: Settings) -> None:
    async with opened(chromium, f"{api.build_url(served)}#coverage") as visitor:
        await visitor.page.locator("details[id='coverage'] form").wait_for()
        assert await visitor.page.locator("details[open]").count() == 1
        assert visitor.complaints == []
