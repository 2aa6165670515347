"""A report in a browser: its figures draw, and it asks nobody for anything."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser

from browser.conftest import PATIENCE_MS
from liq import reports
from liq.config import Settings
from rows import insert, liquidation, own_table

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_it_draws_without_any_other_file(
    stack: Settings, chromium: Browser, tmp_path: Path
) -> None:
    settings, until = own_table(stack), datetime(2026, 1, 1, 6, tzinfo=UTC)
    insert(settings, [liquidation(until - timedelta(minutes=n + 1), 1_000) for n in range(200)])
    file = reports.write(tmp_path / "r.html", "6h", until.isoformat(), settings=settings)
    page = await chromium.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto(file.as_uri())
    await page.wait_for_function(
        "document.querySelectorAll('.js-plotly-plot .bars .point path').length > 200",
        timeout=PATIENCE_MS,
    )
    assert await page.locator(".liq-stamp").count() >= 8
    await page.close()
    assert {url.split(":")[0] for url in asked} <= {"file", "data", "blob"}
    assert faults == []
