"""Draw the README's picture: the running dashboard (`liq run`), as Chromium shows it.

Usage: tools/screenshot.py [FILE [WIDTH]], by default docs/dashboard.png, 1280 pixels wide.
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from liq import serve

_SETTLE_MS = 3000  # the second redraw, so that nothing is drawn halfway


def main(file: str = "docs/dashboard.png", width: str = "1280") -> None:
    """Open the dashboard, wait for its bars, and write the whole page to ``file``."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": int(width), "height": 800})
        page.goto(serve.dashboard_url())
        page.wait_for_selector(".bars .point path", state="attached", timeout=60_000)
        page.wait_for_timeout(_SETTLE_MS)
        page.screenshot(path=Path(file), full_page=True)
        browser.close()
    print(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
