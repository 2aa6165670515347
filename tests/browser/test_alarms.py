"""Alerts that reach people who look elsewhere: sounds, notifications, the title of the page."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace
from playwright.async_api import Browser, expect

from browser.conftest import Visit, Visiting, opened, own_dashboard, served
from browser.test_address import has_query
from browser.test_tape import LISTEN
from liq import web
from liq.analysis.alerts import Rule
from liq.analysis.alerts.evaluator import build_link
from liq.config import Settings
from liq.notebook import reports
from liq.records.model import Alert, Severity, Text
from support.rows import insert, insert_alerts, liquidation

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
BY_SYMBOL = {
    "description": "d", "query": "top_symbols", "column": "prints", "is": ">=", "threshold": 1,
    "message": "m", "window": "1m", "by": ["symbol"],
}  # fmt: skip
MARKUP = "<img src=x onerror=document.title='pwned'>"
NOTIFICATIONS = """() => {
  window.notices = [];
  class Fake {
    constructor(title, { body }) { notices.push([title, body]); notices.last = this; }
    close() { this.isClosed = true; }
  }
  Fake.requestPermission = async () => "granted";
  window.Notification = Fake;
}"""

# draws the widget of alarms without its page
ALONE = """async stored => {
  localStorage.setItem("liq-alarms", stored);
  const { href } = document.querySelector("link[rel=stylesheet]");
  const { default: alarm } = await import(new URL("alarm.js", href).href);
  const traits = { alerts: [], ready: false };
  const el = document.body.appendChild(document.createElement("div"));
  alarm.render({ model: { get: (name) => traits[name], on() {}, off() {} }, el });
  const fields = Array.from(el.querySelectorAll("input"));
  const chosen = fields.filter((each) => each.checked).length;
  return { text: el.textContent, fields: fields.length, chosen };
}"""


@pytest.fixture(scope="module")
def market(stack: Settings) -> Settings:
    """Tables of these tests' own, with a print and an alert of a minute ago."""
    own = own_dashboard(stack)
    insert(own, [liquidation(datetime.now(UTC) - timedelta(minutes=1), 1_000)])
    insert_alerts(own, [create_alert("old_news", age=60)])
    return own


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page_url(
    market: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    async with served(market, tmp_path_factory.mktemp("alarms") / "log") as url:
        yield url


def create_alert(
    rule: str, severity: Severity = Severity.CRITICAL, message: str = "m", age: float = 0
) -> Alert:
    ts = datetime.now(UTC) - timedelta(seconds=age)
    return Alert(
        ts=int(ts.timestamp() * 1e6), rule=Text(rule), severity=severity, message=Text(message),
        value=1.0, threshold=1.0, query="totals", measure="prints", live=True,
    )  # fmt: skip


async def raise_alert(market: Settings, *given: Any) -> None:
    """Write an alert, and a print that has the page read again."""
    await asyncio.to_thread(insert_alerts, market, [create_alert(*given)])
    await asyncio.to_thread(insert, market, [liquidation(datetime.now(UTC), 1_000)])


async def open_alarms(visitor: Visit) -> None:
    await visitor.page.locator(".liq-alarm summary").click()


async def end_alarms(visitor: Visit) -> None:
    """Ask for nothing any more, for the page's next test."""
    chosen = visitor.page.locator(".liq-alarm input:checked")
    await chosen.evaluate_all("all => all.forEach((each) => each.click())")
    await visitor.shows("Alarms off", ".liq-alarm")


async def test_nothing_is_raised_until_it_is_asked_for(share: Visiting, market: Settings) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        await page.evaluate(LISTEN)
        title = await page.title()
        await visitor.shows("Alarms off", ".liq-alarm")
        await raise_alert(market, "unasked")
        await visitor.shows("unasked", ".liq-recent")
        assert await page.evaluate("tones") == []
        assert await page.title() == title
        assert visitor.complaints == []


async def test_alerts_sound_and_are_counted_in_the_title_by_severity(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        await page.evaluate(LISTEN)
        title = await page.title()
        await open_alarms(visitor)
        await page.get_by_label("sound for critical alerts").check()
        await visitor.until("tones.length === 3")  # as a sample
        await page.get_by_label("title for warning alerts").check()
        await visitor.shows("Alarms on", ".liq-alarm")
        await page.keyboard.press("Escape")
        await raise_alert(market, "no_sound", Severity.WARNING)
        await visitor.until("document.title.startsWith('(1) warning: no_sound')")
        assert await page.evaluate("tones.length") == 3
        await raise_alert(market, MARKUP, Severity.WARNING, MARKUP)
        await visitor.until("document.title.startsWith('(2) warning: <img')")
        await raise_alert(market, "loud")
        await visitor.until("tones.length === 6")
        await page.mouse.click(5, 5)
        assert await page.title() == title
        await page.reload()
        await visitor.bars()
        await visitor.shows("Alarms on", ".liq-alarm")
        await open_alarms(visitor)
        await expect(page.get_by_label("sound for critical alerts")).to_be_checked()
        await expect(page.get_by_label("sound for info alerts")).not_to_be_checked()
        assert await page.title() == title  # alerts of before are no news
        await end_alarms(visitor)
        assert visitor.complaints == []


async def test_a_notification_is_shown_where_the_browser_permits_it(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        await open_alarms(visitor)
        wanted = page.get_by_label("notification for critical alerts")
        await page.evaluate("() => { Notification.requestPermission = async () => 'denied'; }")
        await wanted.click()
        await visitor.shows("the browser blocks notifications", ".liq-alarm [role=status]")
        await expect(wanted).not_to_be_checked()
        await page.evaluate(NOTIFICATIONS)
        await wanted.check()
        await page.get_by_role("button", name="try critical alerts").click()
        await visitor.until("notices.length === 1")
        await raise_alert(market, "seen", Severity.CRITICAL, MARKUP)
        await visitor.until("notices.length === 2")
        assert (await page.evaluate("notices"))[1] == ["critical: seen", MARKUP]
        await end_alarms(visitor)
        assert visitor.complaints == []


async def test_a_clicked_notification_travels_to_the_moment_of_its_alert(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        await page.evaluate(NOTIFICATIONS)
        await open_alarms(visitor)
        await page.get_by_label("notification for critical alerts").check()
        await page.get_by_role("button", name="try critical alerts").click()
        await page.evaluate("notices.last.onclick()")  # a try has no moment
        # the five minutes after it are shown too, and are over
        await raise_alert(market, "travels", Severity.CRITICAL, "to its moment", 400)
        await visitor.until("notices.length === 2")
        assert "from=" not in page.url
        await page.evaluate("notices.last.onclick()")
        await visitor.until("location.search.includes('from=')")
        assert await page.evaluate("notices.last.isClosed")
        await end_alarms(visitor)
        assert visitor.complaints == []


async def test_a_page_with_alarms_goes_on_while_it_is_hidden(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        await open_alarms(visitor)
        await page.get_by_label("title for critical alerts").check()
        await page.evaluate(
            "() => { Object.defineProperty(document, 'visibilityState', { value: 'hidden' });"
            " document.dispatchEvent(new Event('visibilitychange')); }"
        )
        await asyncio.sleep(16)  # longer than a kernel waits for a page that is gone
        await raise_alert(market, "hidden")
        await visitor.until("document.title.startsWith('(1) critical: hidden')")
        await visitor.leave()


async def test_links_of_a_report_and_an_alert_lead_to_its_moment(
    chromium: Browser, market: Settings, page_url: str, tmp_path: Path
) -> None:
    name, at = Text("1000000MOGUSDT"), datetime(2026, 3, 2, 12, tzinfo=UTC)
    around = {"from": "2026-03-02T11:05:00Z", "to": "2026-03-02T12:05:00Z"}
    shown = "2026-03-02 11:05:00 to 12:05:00 UTC"
    prints = [liquidation(at, 1_000), liquidation(at, 2_000, symbol=name, base=Text("1000000MOG"))]
    alert = replace(create_alert("linked"), ts=int(at.timestamp() * 1e6), subject=name)
    await asyncio.to_thread(insert, market, prints)
    await asyncio.to_thread(insert_alerts, market, [alert])
    public = market.model_copy(update={"public_url": f"http://localhost:{market.dashboard_port}"})
    end = (at + timedelta(hours=1)).isoformat()
    file = await asyncio.to_thread(reports.write, tmp_path / "r.html", "2h", end, settings=public)
    async with opened(chromium, file.as_uri()) as reader:
        link = reader.page.locator("tr", has_text="linked").get_by_role("link", name="dashboard")
        async with reader.page.context.expect_page() as opening:
            await link.click()
        visitor = Visit(await opening.value)
        page = visitor.page
        page.on("console", visitor.record_error)
        await page.fill("#password_input", market.token.get_secret_value())
        await page.click("#login_submit")
        await visitor.shows(shown, ".liq-shown")
        await has_query(visitor, **around)
        assert page.url.startswith(public.public_url)
        await visitor.shows("critical", ".liq-recent")  # the alert itself is in view

        # what a receiver is sent has the prints that were measured too
        await page.goto(build_link(alert, msgspec.convert(BY_SYMBOL, Rule), public))
        only = {"symbols": str(name)}
        await has_query(visitor, **around, **only)
        await visitor.shows(f"symbol {name}", ".liq-chips")
        await expect(page.locator(".liq-tape tr[data-key]")).to_have_count(1)

        # a click in the list of alerts, and in the line of the newest, keeps these filters
        await page.get_by_role("button", name="Later", exact=True).click()
        await visitor.shows("2026-03-02 12:05:00 to 13:05:00 UTC", ".liq-shown")
        await visitor.open_board("Alerts")
        item = page.locator(".liq-raised li", has_text="linked")
        await item.get_by_role("link", name="03-02 12:00:00").click()
        await visitor.shows(shown, ".liq-shown")
        await has_query(visitor, **around, **only)
        await page.get_by_label("Window", exact=True).select_option("4h")
        await visitor.shows("2026-03-02 08:05:00 to 12:05:00 UTC", ".liq-shown")
        await page.locator(".liq-recent").get_by_role("link", name="12:00:00").click()
        await visitor.shows(shown, ".liq-shown")
        await has_query(visitor, **around, **only)
        assert visitor.complaints == []


async def test_odd_settings_of_the_browser_are_ignored(visit: Visiting, page_url: str) -> None:
    async with visit(page_url.replace("/?", "/apps?")) as visitor:  # a page without a kernel
        for stored in ("", "{", "null", "7", '{"critical": 5, "info": ["x"]}'):
            await visitor.page.reload()
            shown = await visitor.page.evaluate(ALONE, stored)
            assert shown["text"].startswith("Alarms off"), stored
            assert shown["chosen"] == 0, stored
            assert shown["fields"] == 9, stored  # three ways for three severities
        assert visitor.complaints == []


DASHBOARD = """source => {
    const el = document.body.appendChild(document.createElement("div"));
    const values = { alerts: [], ready: true }, listeners = new Set();
    const model = {
        get: name => values[name],
        on: (_, act) => listeners.add(act),
        off: (_, act) => listeners.delete(act),
    };
    const raise = id => {
        const [severity, rule, message, mark, link] = ["critical", `rule_${id}`, "", "", ""];
        values.alerts = [...values.alerts, { id, severity, rule, message, mark, link }];
        listeners.forEach(act => act());
    };
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    return import(url).then(({ default: widget }) => {
        (window.dashboards ??= []).push({ raise, remove: widget.render({ model, el }) });
    });
}"""


async def test_of_two_dashboards_on_a_page_the_second_raises_alarms_once_the_first_is_closed(
    chromium: Browser,
) -> None:
    source = (Path(web.__file__).with_name("dashboard") / "alarm.js").read_text()
    page = await chromium.new_page()
    try:
        for _ in range(2):
            await page.evaluate(DASHBOARD, source)
        for number, index in enumerate([0, 1], 1):
            await page.get_by_text("Alarms off").click()  # one menu, not two
            await page.get_by_label("title for critical alerts").check()
            await page.evaluate(f"dashboards.forEach(each => each.raise({number}))")
            await expect(page).to_have_title(re.compile(rf"\(1\) critical: rule_{number}\b"))
            await page.keyboard.press("Escape")  # somebody uses the page
            await page.evaluate(f"dashboards[{index}].remove()")
        await expect(page.locator("summary")).to_have_count(0)
    finally:
        await page.close()
