"""Draw pictures of the running apps (`liq run`) for the README and the gallery, by Chromium.

Usage: tools/screenshot.py [FOLDER [WIDTH [THEME]]], by default docs, 1280 pixels wide, dark. Every
board of the dashboard, the gallery and the API's docs go into FOLDER. Apps go, small, into the
notebooks' folder when that is docs; else whole pages, into FOLDER as well. docs also gets what each
board shows first on a phone, a laptop and a desktop, dark and light, in docs/screens.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin, urlsplit

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from liq.common import files
from liq.web import api, serve
from liq.web.dashboard.board_queries import BOARDS
from liq.web.voila_app import gallery

_SETTLE_MS = 3000  # the second redraw, so that nothing is drawn halfway
_PATIENCE_MS = 180_000
_DOCS = Path("docs")
SCREENS = {"phone": (390, 844), "laptop": (1280, 800), "desktop": (1920, 1080)}
THEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
_NOTEBOOKS = files.find_asset("notebooks")


def main(folder: str = str(_DOCS), width: str = "1280", theme: str = "dark") -> None:
    """Open each page, wait until it is drawn, and write its picture."""
    into = Path(folder)
    into.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        pictures = _NOTEBOOKS / gallery.PICTURES
        pictures.mkdir(exist_ok=True)
        for app in gallery.list_apps(_NOTEBOOKS):
            if into == _DOCS:
                _app(browser, app, pictures, scale=0.5)
            else:
                _app(browser, app, into, int(width), whole=True)
        _boards(browser, into, int(width), theme)
        if into == _DOCS:
            draw_screens(browser, into / "screens")
        page = _open(browser, "apps", int(width))
        page.wait_for_load_state("networkidle")
        _save(page, into / "apps.png", whole=True)
        draw_api(browser, api.build_url(), into, int(width))
        browser.close()


def draw_screens(browser: Browser, into: Path) -> None:
    """Draw what each board shows first, on each screen and in each theme."""
    into.mkdir(exist_ok=True)
    for name, (width, height) in SCREENS.items():
        for theme in THEMES:
            page = browser.new_page(
                viewport={"width": width, "height": height},
                device_scale_factor=1 if name == "phone" else 0.5,
                color_scheme=theme,
            )
            _visit(page, "")
            _drawn(page, live=True)
            for board in _switch(page):
                _shoot(page, into / f"{board.lower()}-{name}-{theme}.png", whole=False)
            _leave(page)


def draw_api(browser: Browser, url: str, into: Path, width: int) -> None:
    """Draw the API's docs with an answer."""
    page = browser.new_page(viewport={"width": width, "height": width * 3 // 4})
    page.goto(f"{url}#top_symbols", timeout=_PATIENCE_MS)
    form = page.locator("details[open] form")
    form.locator("[name='limit']").fill("5")
    form.get_by_role("button", name="Run").click()
    form.locator("table").wait_for(timeout=_PATIENCE_MS)
    page.evaluate("document.querySelector('details[open]').scrollIntoView()")
    _save(page, into / "api.png", whole=False)


def _app(
    browser: Browser,
    app: gallery.App,
    into: Path,
    width: int = 1280,
    scale: float = 1,
    *,
    whole: bool = False,
) -> None:
    page = _open(browser, app.path, width, scale)
    _drawn(page, live=not app.path)
    _save(page, into / f"{app.name}.png", whole=whole)


def _boards(browser: Browser, into: Path, width: int, theme: str) -> None:
    page = _open(browser, "", width)
    _drawn(page, live=True)
    if theme == "light":
        page.get_by_role("button", name="Light", exact=True).click()
    for board in _switch(page):
        name = "dashboard" if board == next(iter(BOARDS)) else f"board-{board.lower()}"
        _shoot(page, into / f"{name}.png", whole=True)
    _leave(page)


def _switch(page: Page) -> Iterator[str]:
    """Show each board, and yield its name once it is drawn."""
    for board in BOARDS:
        page.get_by_role("tab", name=board, exact=True).click()
        page.wait_for_selector(f".liq-board.liq-{board.lower()}", timeout=_PATIENCE_MS)
        page.wait_for_selector(".liq-fresh.liq-live", timeout=_PATIENCE_MS)
        page.wait_for_timeout(_SETTLE_MS)
        yield board


def _open(browser: Browser, path: str, width: int, scale: float = 1) -> Page:
    page = browser.new_page(
        viewport={"width": width, "height": width * 5 // 8},
        device_scale_factor=scale,
        color_scheme="dark",
    )
    _visit(page, path)
    return page


def _visit(page: Page, path: str) -> None:
    home = serve.build_dashboard_url()
    page.goto(urljoin(home, f"/{path}?{urlsplit(home).query}"), timeout=_PATIENCE_MS)


def _leave(page: Page) -> None:
    page.goto("about:blank")  # as people do: it ends the kernel
    page.close()


def _drawn(page: Page, *, live: bool) -> None:
    page.wait_for_selector("#liq-notice", state="attached", timeout=_PATIENCE_MS)
    page.wait_for_selector("#liq-notice", state="hidden", timeout=_PATIENCE_MS)
    if live:
        page.wait_for_selector(".bars .point path", state="attached", timeout=_PATIENCE_MS)
    page.wait_for_timeout(_SETTLE_MS)


def _save(page: Page, file: Path, *, whole: bool) -> None:
    _shoot(page, file, whole=whole)
    _leave(page)


def _shoot(page: Page, file: Path, *, whole: bool) -> None:
    page.screenshot(path=file, full_page=whole)
    few = Image.open(file).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few.save(file, optimize=True)  # a third of the size
    print(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
