"""Alert rules as people make them on the page: tried on the past, saved, edited, muted, removed."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from browser.conftest import Visit, Visiting, own_dashboard, served
from liq.analysis.alerts import load_rules
from liq.config import Settings
from liq.records.model import Text
from support.rows import insert, liquidation

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
MARKUP = "<img src=x onerror=document.title='pwned'>"
BURST = {
    "description": MARKUP, "query": "totals", "window": "1m", "column": "long_usd", "is": ">=",
    "threshold": 1_000_000, "message": "{value}",
}  # fmt: skip


@pytest.fixture(scope="module")
def market(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A table and a file of rules of these tests' own; three large prints an hour ago."""
    file = tmp_path_factory.mktemp("rules") / "alerts.json"
    file.write_text(json.dumps({"burst": BURST, "spare": BURST}))
    own = own_dashboard(stack).model_copy(update={"alerts": file})
    now = datetime.now(UTC)
    ages = (0.2, 70, 80, 90)
    insert(
        own,
        [
            liquidation(now - timedelta(minutes=age), 400_000, symbol=Text(MARKUP), base=Text("M"))
            for age in ages
        ],
    )
    return own


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page_url(
    market: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    async with served(market, tmp_path_factory.mktemp("rule-editor") / "log") as url:
        yield url


async def open_rules(visitor: Visit) -> None:
    await visitor.bars()
    await visitor.page.get_by_role("tab", name="Alerts", exact=True).click()
    await visitor.shows("burst", ".liq-rules")


def read(market: Settings) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(str(market.alerts)).read_text())
    return found


async def test_a_rule_is_tried_on_the_past_before_it_is_saved(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await open_rules(visitor)
        page = visitor.page
        await page.get_by_role("button", name="New rule").click()
        save = page.get_by_role("button", name="Save", exact=True)
        await page.get_by_label("Name", exact=True).fill("large_print")
        await page.get_by_label("Threshold", exact=True).fill("300000")
        form = page.get_by_role("form", name="rule")
        await expect(form.get_by_label("limit", exact=True)).to_have_attribute("type", "number")
        await form.get_by_label("Query", exact=True).select_option("liquidations_by_bucket")
        bucket = form.get_by_label("bucket", exact=True)
        await expect(bucket.get_by_role("option", name="usual: 1m", exact=True)).to_have_count(1)
        await bucket.select_option("5m")
        await form.get_by_label("Query", exact=True).select_option("largest_prints")
        await form.get_by_label("Query", exact=True).select_option("liquidations_by_bucket")
        await expect(bucket).to_have_value("5m")
        message = form.get_by_label("Message", exact=True)
        await expect(message).to_have_value("{rule}: {value:,.6g} within {window}")
        await form.get_by_label("Query", exact=True).select_option("largest_prints")
        await expect(message).to_have_value(re.compile("{notional.*{exchange}"))
        await form.get_by_label("Column", exact=True).select_option("notional")
        await expect(form.get_by_label("bucket", exact=True)).to_have_count(0)
        await form.get_by_label("min_notional", exact=True).fill("2000")
        await expect(save).to_be_disabled()
        await expect(save).to_be_in_viewport(ratio=1)
        place = await save.bounding_box()
        await page.get_by_role("button", name="Try", exact=True).click()
        await form.get_by_text("Trying the rule on the past").wait_for()
        assert await save.bounding_box() == place
        await visitor.shows("alerts in the last 1d", ".liq-tried")
        assert await page.locator(".liq-tried li").count() >= 3
        await visitor.shows(MARKUP, ".liq-tried li")
        await expect(save).to_be_enabled()
        await expect(save).to_be_in_viewport(ratio=1)
        await page.get_by_label("Threshold", exact=True).fill("350000")
        await expect(save).to_be_disabled()  # another rule, which was not tried
        await page.get_by_role("button", name="Try", exact=True).click()
        await expect(save).to_be_enabled()
        await save.click()
        await visitor.shows("large_print is saved", ".liq-rules")
        await visitor.shows("large_print", ".liq-rules td")
        assert read(market)["large_print"]["params"]["min_notional"] == 2000
        assert load_rules(market).rules["large_print"].threshold == 350_000
        assert read(market)["burst"] == BURST
        assert await page.title() != "pwned"
        assert await page.locator(".liq-rules img").count() == 0
        assert visitor.complaints == []


async def test_an_open_form_stays_while_another_board_is_shown(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await open_rules(visitor)
        page = visitor.page
        await page.get_by_role("button", name="New rule").click()
        await page.get_by_label("Name", exact=True).fill("kept")
        await page.get_by_label("Threshold", exact=True).fill("300000")
        await page.get_by_role("button", name="Try", exact=True).click()
        # the answer comes while another board is shown
        await page.get_by_role("tab", name="Feeds", exact=True).click()
        await page.get_by_role("form", name="rule").wait_for(state="detached")
        await page.wait_for_selector(".liq-page .liq-feeds")
        await page.get_by_role("tab", name="Alerts", exact=True).click()
        assert await page.get_by_label("Name", exact=True).input_value() == "kept"
        assert await page.get_by_label("Threshold", exact=True).input_value() == "300000"
        save = page.get_by_role("button", name="Save", exact=True)
        await expect(save).to_be_enabled()
        await visitor.shows("alerts in the last 1d", ".liq-tried")
        await page.get_by_role("button", name="Cancel", exact=True).click()
        await page.get_by_role("tab", name="Feeds", exact=True).click()
        await page.wait_for_selector(".liq-page .liq-feeds")
        await page.get_by_role("tab", name="Alerts", exact=True).click()
        await visitor.shows("burst", ".liq-rules")
        await expect(page.get_by_role("form", name="rule")).to_be_hidden()
        assert visitor.complaints == []


async def test_a_wrong_rule_is_refused_in_a_line_and_can_be_repaired(
    share: Visiting, market: Settings
) -> None:
    before = read(market)
    async with share() as visitor:
        await open_rules(visitor)
        page = visitor.page
        await page.get_by_role("button", name="New rule").click()
        await page.get_by_label("Name", exact=True).fill("wrong")
        await page.get_by_label("Message", exact=True).fill("{nothing}")
        await page.keyboard.press("Enter")
        await visitor.shows("its message names 'nothing'", ".liq-rules")
        await expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("form", name="rule")).to_be_hidden()
        assert read(market) == before
        assert visitor.complaints == []


async def test_a_rule_is_edited_and_muted(share: Visiting, market: Settings) -> None:
    async with share() as visitor:
        await open_rules(visitor)
        page = visitor.page
        size = page.viewport_size
        assert size
        await page.set_viewport_size({"width": size["width"], "height": 480})
        await page.get_by_role("button", name="edit burst").click()
        save = page.get_by_role("button", name="Save", exact=True)
        await expect(save).to_be_in_viewport(ratio=1)
        await page.set_viewport_size(size)
        assert await page.get_by_label("Threshold", exact=True).input_value() == "1000000"
        await page.get_by_label("Threshold", exact=True).fill("2000000")
        await page.get_by_role("button", name="Try", exact=True).click()
        await visitor.shows("alerts in the last 1d", ".liq-tried")
        await page.get_by_role("button", name="Save", exact=True).click()
        await visitor.shows("2,000,000", ".liq-rules")
        assert read(market)["burst"] == BURST | {"threshold": 2_000_000}
        await page.get_by_role("button", name="mute burst", exact=True).click()
        await page.get_by_role("button", name="unmute burst").wait_for()
        assert load_rules(market).rules["burst"].muted
        await page.get_by_role("button", name="unmute burst").click()
        await page.get_by_role("button", name="mute burst", exact=True).wait_for()
        assert "muted" not in read(market)["burst"]
        assert visitor.complaints == []


async def test_a_rule_is_removed_by_keys_once_that_is_confirmed(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await open_rules(visitor)
        page, press = visitor.page, visitor.page.keyboard.press
        remove = page.get_by_role("button", name="remove spare", exact=True)
        for answer in ("Enter", "Escape"):  # Keep has the focus
            await remove.focus()
            await press("Enter")
            await visitor.shows("Remove spare?", ".liq-rules")
            await press(answer)
            await expect(remove).to_be_focused()
            await expect(page.get_by_role("group", name="remove a rule")).to_be_hidden()
        assert "spare" in read(market)
        await press("Enter")
        await press("Tab")
        await press("Enter")
        await visitor.shows("spare is removed", ".liq-rules")
        await expect(remove).to_have_count(0)
        await expect(page.get_by_role("button", name="New rule")).to_be_focused()
        assert load_rules(market).rules.keys() & {"burst", "spare"} == {"burst"}
        assert visitor.complaints == []


async def test_a_file_that_was_edited_meanwhile_is_left_alone(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await open_rules(visitor)
        page = visitor.page
        await page.get_by_role("button", name="edit burst").click()
        await page.get_by_role("button", name="Try", exact=True).click()
        await visitor.shows("in the last 1d", ".liq-tried")
        edited = read(market) | {"other": BURST}
        await asyncio.to_thread(Path(str(market.alerts)).write_text, json.dumps(edited))
        await page.get_by_role("button", name="Save", exact=True).click()
        await visitor.shows("has changed meanwhile: open the rule again", ".liq-rules")
        assert read(market) == edited
        await page.get_by_role("button", name="Cancel", exact=True).click()
        assert visitor.complaints == []
