"""From `liq run` on warm caches to the first bar drawn in a browser."""

import shutil
import time
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from bench.environment import temporary_settings
from bench.memory import memory
from liq import stack as local
from liq.cli.run import RunSource, run

BAR = ".bars .point path"
CHROMIUM = shutil.which("chromium-headless-shell") or "/usr/bin/chromium"
_OPENINGS = 5
_PREHEAT_S = 8  # a kernel is made ready again for the next visitor
# from outside, the bar is seen only once the page is done with its next charts
_NOTE = """new MutationObserver((_, observer) => {
    if (!document.querySelector(%r)) return;
    observer.disconnect();
    const { port1, port2 } = new MessageChannel(); // a message is read after the frame is painted
    port1.onmessage = () => { window.firstBar = performance.now(); };
    port2.postMessage(null);
}).observe(document, { childList: true, subtree: true });"""
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


def first_bar() -> tuple[dict[str, float], dict[str, float]]:
    """Return seconds, and MiB a process.

    ``run_s`` is from the start to the dashboard's URL, ``total_s`` to the first bar in a page that
    is opened at once, ``page_s`` the median of later openings, when the dashboard's kernels are up.
    """
    with temporary_settings() as settings, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        begin = time.monotonic()
        try:
            session = run(settings, source=RunSource.SIMULATOR)
            running = time.monotonic()
            _open(browser, session.dashboard_url)
            total = time.monotonic() - begin
            later = [_later(browser, session.dashboard_url) for _ in range(_OPENINGS)]
            times = {"run_s": running - begin, "total_s": total, "page_s": median(later)}
            return times, memory(settings)
        finally:
            browser.close()
            local.down(settings)


def _later(browser: Browser, url: str) -> float:
    time.sleep(_PREHEAT_S)
    return _open(browser, url)


def _open(browser: Browser, url: str) -> float:
    """Open the page as a new visitor; return the seconds until its first bar is painted."""
    with browser.new_context() as visitor:
        page = visitor.new_page()
        page.add_init_script(_NOTE % BAR)
        page.goto(url, wait_until="commit")
        page.wait_for_selector(BAR, state="attached", timeout=120_000)
        return float(page.evaluate("window.firstBar")) / 1_000
