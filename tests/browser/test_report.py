"""A report in a browser: its figures draw, and it asks nobody for anything."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser

from browser.conftest import opened
from liq.config import Settings
from liq.notebook import reports
from support.rows import insert, liquidation, own_table

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_a_report_draws_without_any_other_file(
    stack: Settings, chromium: Browser, tmp_path: Path
) -> None:
    settings, until = own_table(stack), datetime(2026, 1, 1, 6, tzinfo=UTC)
    insert(settings, [liquidation(until - timedelta(minutes=n + 1), 1_000) for n in range(200)])
    file = reports.write(tmp_path / "r.html", "6h", until.isoformat(), settings=settings)
    async with opened(chromium, file.as_uri()) as visitor:
        await visitor.until(
            "document.querySelectorAll('.js-plotly-plot .bars .point path').length > 200"
        )
        await visitor.page.wait_for_load_state()
        assert await visitor.page.locator(".liq-stamp").count() >= 8
        assert {url.split(":")[0] for url in visitor.requests} <= {"file", "data", "blob"}
        assert visitor.complaints == []
