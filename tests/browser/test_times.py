"""Time as people choose it: typed, brushed, undone, by presets, in their own time zone."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import expect

from browser.conftest import ZONE, Visit, Visiting, publishing
from browser.test_address import has_query
from browser.test_dashboard import kernel_of
from liq.config import Settings
from liq.delivery.producer import Producer

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
NOTE_MARKS = """() => {
  window.marks = []; // of the panels, once the header has another time
  window.wasBusy = false;
  const find = (selector) => document.querySelector(selector);
  const before = find(".liq-shown").textContent.slice(0, 10);
  const note = () => {
    const mark = find(".liq-awaiting") ? "all" : find(".liq-undrawn") ? "some" : "none";
    if (!find(".liq-shown").textContent.startsWith(before)) marks.push(mark);
    wasBusy ||= find(".liq-page").ariaBusy === "true";
  };
  new MutationObserver(note).observe(document.body, {
    attributes: true, childList: true, subtree: true,
  });
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def market(settings: Settings, server: psutil.Popen) -> AsyncIterator[Producer]:
    async with publishing(settings, seed=11) as producer:
        yield producer


async def press(visitor: Visit, name: str) -> None:
    await visitor.page.get_by_role("button", name=name, exact=True).click()


async def type_span(visitor: Visit, start: str, end: str) -> None:
    """Type a span as people do, and press Enter."""
    await visitor.page.get_by_label("From", exact=True).fill(start)
    await visitor.page.get_by_label("To", exact=True).fill(end)
    await visitor.page.keyboard.press("Enter")


async def choose_local_time(visitor: Visit) -> None:
    zone = visitor.page.get_by_label("Time zone")
    await zone.locator("option").filter(has_text=f"local: {ZONE}").wait_for(state="attached")
    await zone.select_option(index=1)


async def brush(visitor: Visit) -> None:
    """Draw a range on the bars."""
    await visitor.bars()
    box = await visitor.page.locator(".liq-bars .nsewdrag").bounding_box()
    assert box
    height = box["y"] + box["height"] / 2
    await visitor.page.mouse.move(box["x"] + 0.3 * box["width"], height)
    await visitor.page.mouse.down()
    await visitor.page.mouse.move(box["x"] + 0.6 * box["width"], height, steps=5)
    await visitor.page.mouse.up()
    await visitor.until("location.search.includes('from=')")
    await visitor.until(
        r"/\d\d:\d\d:\d\d to/.test(document.querySelector('.liq-shown').textContent)"
    )


async def test_back_undoes_a_brush_by_its_button_and_by_the_browsers(
    share: Visiting, market: Producer, server: psutil.Popen
) -> None:
    async with share() as visitor:  # new in the module's first test: Back has nothing to undo
        await visitor.bars()
        kernel = await kernel_of(visitor, server)
        for way in ("button", "browser"):
            await brush(visitor)
            assert {"from", "to"} <= parse_qs(urlsplit(visitor.page.url).query).keys()
            if way == "button":
                await press(visitor, "Back")
            else:
                await visitor.page.go_back()
            await has_query(visitor)
            await visitor.redraws()
            assert await visitor.page.get_by_label("Window", exact=True).input_value() == "1h"
            assert await visitor.page.get_by_role("button", name="Back", exact=True).is_disabled()
            assert await kernel_of(visitor, server) == kernel
        assert visitor.complaints == []


async def test_the_header_shows_the_span_and_history_has_no_last_event(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        live = await visitor.page.inner_text(".liq-shown")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d to (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC", live)
        await visitor.shows("last event", ".liq-fresh")
        await visitor.page.evaluate(NOTE_MARKS)
        await type_span(visitor, "2026-03-02 11:00", "2026-03-02 12:30")
        await visitor.shows("2026-03-02 11:00:00 to 12:30:00 UTC", ".liq-shown")
        # all panels from the first moment on, then the charts that are not drawn yet, then none
        await visitor.until("marks.at(-1) === 'none'")
        assert (await visitor.page.evaluate("marks"))[0] == "all"
        panel = visitor.page.get_by_role("tabpanel", name="Overview")
        await expect(panel).to_have_attribute("aria-busy", "false")
        assert await visitor.page.evaluate("wasBusy")
        assert "last event" not in await visitor.page.inner_text(".liq-header")
        await has_query(visitor, **{"from": "2026-03-02T11:00:00Z", "to": "2026-03-02T12:30:00Z"})
        assert visitor.complaints == []


async def test_live_restores_the_window_before_a_brush(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.page.get_by_label("Window", exact=True).select_option("4h")
        await has_query(visitor, window="4h")
        await brush(visitor)
        await press(visitor, "Live")
        await has_query(visitor, window="4h")
        assert await visitor.page.get_by_label("Window", exact=True).input_value() == "4h"
        await visitor.redraws()
        assert visitor.complaints == []


async def test_a_wrong_time_is_explained_and_changes_nothing(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        before = await visitor.page.locator(".liq-bar").bounding_box()
        await type_span(visitor, "<b>tomorrow</b>", "")
        error = visitor.page.locator(".liq-span").get_by_role("alert")
        await expect(error).to_contain_text("is no time: give a time like 2026-03-02 13:00")
        assert await visitor.page.locator(".liq-bar").bounding_box() == before
        await visitor.page.get_by_label("Bucket", exact=True).focus()
        await expect(error).to_have_count(0)  # it hides nothing while one is elsewhere
        await visitor.page.get_by_label("From", exact=True).focus()
        await expect(error).to_have_count(1)
        start, end = (visitor.page.get_by_label(name, exact=True) for name in ("From", "To"))
        assert await start.input_value() == "<b>tomorrow</b>"
        await expect(start).to_have_attribute("aria-invalid", "true")
        await expect(end).to_have_attribute("aria-invalid", "false")
        described = await start.get_attribute("aria-describedby")
        assert described == await error.get_attribute("id")
        assert await visitor.page.locator(".liq-fault p").count() == 0
        await has_query(visitor)
        await type_span(visitor, "0:00", "")
        await expect(error).to_be_hidden()
        await expect(start).to_have_attribute("aria-invalid", "false")
        await expect(start).to_have_value(re.compile(r"\d+-\d+-\d+ 00:00:00"))
        assert await start.evaluate("field => field.scrollWidth <= field.clientWidth")
        await visitor.redraws()


async def test_a_redraw_leaves_a_field_alone_while_one_types(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        start = visitor.page.get_by_label("From", exact=True)
        await start.press_sequentially("2026-0")
        await visitor.redraws()
        await visitor.page.keyboard.type("3-02 11:00")
        assert await start.input_value() == "2026-03-02 11:00"
        await start.fill("")  # for the page's next test


async def test_presets_travel(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        await press(visitor, "Yesterday")
        await visitor.shows("00:00:00 to", ".liq-shown")
        await visitor.until("location.search.includes('from=')")  # written after the header
        query = parse_qs(urlsplit(visitor.page.url).query)
        assert [query[name][0][10:] for name in ("from", "to")] == ["T00:00:00Z"] * 2
        await press(visitor, "Today")
        await visitor.shows("00:00 to", ".liq-shown")
        await visitor.redraws()
        before = visitor.page.url
        await press(visitor, "Last cascade")
        await visitor.until("before => location.href !== before", before)
        assert await visitor.page.locator(".liq-fault p").count() == 0
        assert visitor.complaints == []


async def test_today_begins_at_midnight_after_a_reload_too(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await press(visitor, "Today")
        await visitor.shows(" 00:00 to", ".liq-shown")
        await visitor.until("location.search.includes('from=')")
        query = parse_qs(urlsplit(visitor.page.url).query)
        assert list(query) == ["from"]
        assert query["from"][0].endswith("T00:00:00Z")
        await visitor.page.reload()
        await visitor.shows(" 00:00 to", ".liq-shown")
        await visitor.redraws()  # it is live
        start = visitor.page.get_by_label("From", exact=True)
        await expect(start).to_have_value(query["from"][0][:10] + " 00:00:00")
        assert parse_qs(urlsplit(visitor.page.url).query) == query
        assert visitor.complaints == []


async def test_a_typed_start_is_kept_and_live(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        await type_span(visitor, "2026-03-02 11:00", "")
        await has_query(visitor, **{"from": "2026-03-02T11:00:00Z"})
        await visitor.redraws()
        start = visitor.page.get_by_label("From", exact=True)
        assert await start.input_value() == "2026-03-02 11:00:00"


async def test_a_fixed_start_gives_way_to_a_window_as_long_as_itself(
    share: Visiting, market: Producer
) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4)
    async with share(f"from={start:%Y-%m-%dT%H:%M:%SZ}") as visitor:
        await visitor.bars()
        await has_query(visitor, **{"from": f"{start:%Y-%m-%dT%H:%M:%SZ}"})
        window = visitor.page.get_by_label("Window", exact=True)
        await expect(window.locator("option:checked")).to_have_text("fixed start")
        await window.select_option("4h")
        await has_query(visitor, window="4h")
        await expect(visitor.page.get_by_label("From", exact=True)).to_have_value("")
        await expect(window.locator("option:checked")).to_have_text("4h")
        await press(visitor, "Back")
        await has_query(visitor, **{"from": f"{start:%Y-%m-%dT%H:%M:%SZ}"})
        assert visitor.complaints == []


async def test_arrows_have_names_and_lead_back_to_the_window_of_before(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await brush(visitor)
        brushed = visitor.page.url
        await press(visitor, "Earlier")
        await visitor.until("brushed => location.href !== brushed", brushed)
        earlier, later = (
            visitor.page.get_by_role("button", name=name, exact=True)
            for name in ("Earlier", "Later")
        )
        assert [await each.get_attribute("title") for each in (earlier, later)] == [
            "one window back", "one window forward"
        ]  # fmt: skip
        while "from=" in (before := visitor.page.url):
            await later.click()
            await visitor.until("before => location.href !== before", before)
        await has_query(visitor)
        assert await visitor.page.get_by_label("Window", exact=True).input_value() == "1h"


async def test_times_are_shown_in_local_time_too(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.shows("time (UTC)", ".liq-prints th")
        await choose_local_time(visitor)
        await visitor.shows(f"time ({ZONE})", ".liq-prints th")
        await visitor.shows(ZONE, ".liq-shown")
        await visitor.shows(f"time ({ZONE})", ".liq-bars .xtitle")
        await has_query(visitor, zone="local")
        await type_span(visitor, "2026-03-02 21:30", "2026-03-02 22:30")
        await has_query(
            visitor,
            **{"from": "2026-03-02T11:00:00Z", "to": "2026-03-02T12:00:00Z", "zone": "local"},
        )
        await visitor.page.reload()
        await visitor.shows(f"2026-03-02 21:30:00 to 22:30:00 {ZONE}", ".liq-shown")
        assert visitor.complaints == []


async def test_the_details_of_a_print_have_the_time_zone_of_the_page(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await choose_local_time(visitor)
        await visitor.shows(f"time ({ZONE})", ".liq-prints th")
        row = visitor.page.locator(".liq-tape tr[data-key]").nth(2)
        await row.hover()  # it holds still
        clock = await row.locator("td").first.inner_text()
        await row.locator("td").first.click()
        details = visitor.page.locator(".liq-inspection")
        local = re.compile(rf" {re.escape(clock)}\d{{3}}\+(09|10):30")  # with daylight saving
        await expect(details).to_contain_text(local)
        await details.get_by_role("link").focus()
        panel = visitor.page.locator(".liq-inspector")
        scrolled = await panel.evaluate(
            "panel => { panel.scrollTop = 20; return panel.scrollTop; }"
        )
        await visitor.page.get_by_label("Time zone").evaluate(
            """list => {
                list.selectedIndex = 0;
                list.dispatchEvent(new Event("change", { bubbles: true }));
            }"""
        )
        await expect(details).not_to_contain_text(local)
        await expect(details).to_contain_text(re.compile(r"\.\d{6} UTC"))
        await expect(details.get_by_role("link")).to_be_focused()
        assert await panel.evaluate("panel => panel.scrollTop") == scrolled > 0
        await visitor.page.keyboard.press("Escape")
        assert visitor.complaints == []


async def test_a_time_that_comes_twice_or_never_is_refused_with_what_to_type(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await choose_local_time(visitor)
        await has_query(visitor, zone="local")
        await type_span(visitor, "2026-10-04 02:30", "2026-10-04 06:00")  # clocks go to 03:00
        await visitor.shows("type 2026-10-04 03:30:00", ".liq-error")
        await type_span(visitor, "2026-04-05 02:30", "2026-04-05 06:00")  # and back to 02:00
        fault = r"occurs twice in .*: type 2026-04-05 \S+\+10:30 or (2026-04-05 02:30:00\+09:30)"
        shown = visitor.page.locator(".liq-error", has_text=re.compile(fault))
        second = re.search(fault, await shown.inner_text())
        assert second
        await has_query(visitor, zone="local")
        await type_span(visitor, second[1], "2026-04-05 06:00")
        utc = {"from": "2026-04-04T17:00:00Z", "to": "2026-04-04T20:30:00Z"}
        await has_query(visitor, **utc, zone="local")
        await visitor.shows("02:30:00+09:30 to 06:00:00", ".liq-shown")
        start = visitor.page.get_by_label("From", exact=True)
        await expect(start).to_have_value(second[1])
        await type_span(visitor, await start.input_value(), "2026-04-05 07:00")
        await has_query(visitor, **utc | {"to": "2026-04-04T21:30:00Z"}, zone="local")
        assert visitor.complaints == []


async def test_a_range_drawn_in_local_time_is_what_was_seen(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await choose_local_time(visitor)
        await visitor.shows(ZONE, ".liq-shown")
        before = await visitor.page.inner_text(".liq-shown")
        await brush(visitor)
        after = await visitor.page.inner_text(".liq-shown")
        assert before[:10] <= after[:10]  # and not hours away
        hours = [int(text[11:13]) for text in (before, after)]
        assert (hours[1] - hours[0]) % 24 <= 1


async def test_bars_are_drawn_at_their_times_wherever_the_browser_is(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        assert await visitor.page.evaluate("new Date().getTimezoneOffset()") != 0
        await visitor.until(
            """() => {
              const { left, right } = document.querySelector(".liq-bars .nsewdrag")
                .getBoundingClientRect();
              const bars = document.querySelectorAll(".liq-bars .bars .point path");
              const boxes = Array.from(bars, (bar) => bar.getBoundingClientRect());
              const drawn = boxes.filter((box) => box.height > 0);
              return drawn.length && drawn.every((box) => box.right > left && box.left < right);
            }"""
        )


async def test_the_bucket_that_runs_is_marked(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.until(
            "Array.from(document.querySelectorAll('.liq-bars .shapelayer path'))"
            ".some(path => getComputedStyle(path).strokeDasharray !== 'none')"
        )
