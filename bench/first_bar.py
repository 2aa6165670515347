"""From `liq run` on warm caches to the first bar drawn in a browser."""

import time

from playwright.sync_api import sync_playwright

from bench.environment import temporary_settings
from bench.memory import memory
from liq import stack as local

_BAR = ".bars .point path"
_CHROMIUM = "/usr/bin/chromium"
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


def first_bar() -> tuple[dict[str, float], dict[str, float]]:
    """Return seconds (start to dashboard URL, page opening to bar, both), and MiB a process."""
    with temporary_settings() as settings, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=[*_FLAGS])
        begin = time.monotonic()
        try:
            session = local.run(settings, source=local.Source.SIMULATOR)
            running = time.monotonic()
            page = browser.new_page()
            page.goto(session.dashboard_url)
            page.wait_for_selector(_BAR, state="attached", timeout=120_000)
            drawn = time.monotonic()
            return (
                {
                    "run_s": running - begin,
                    "page_s": drawn - running,
                    "total_s": drawn - begin,
                },
                memory(settings),
            )
        finally:
            browser.close()
            local.down(settings)
