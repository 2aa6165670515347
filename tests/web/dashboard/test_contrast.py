"""The contrast of the page's colours, from the style sheet and the charts' themes: WCAG AA."""

import re
from itertools import product
from pathlib import Path

import pytest

from analysis.test_charts import contrast
from liq.analysis.charts import THEMES, ThemeName
from liq.web.dashboard import view

STYLE = Path(view.__file__).with_name("style.css").read_text()
PAGE = Path(view.__file__).parent.parent / "voila_app" / "static" / "page.css"
BLOCKS = {"dark": r"\.liq-root \{(.*?)\}", "light": r"\.liq-root\.liq-light \{(.*?)\}"}
INKS = ("text", "muted", "long", "short", "warn", "bad", "good")


def read_colours(theme: str) -> dict[str, str]:
    """Return the style sheet's variables of a theme, and the papers mixed of them."""
    found = re.search(BLOCKS[theme], STYLE, re.DOTALL)
    assert found
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", found[1]))
    return colours | {
        "hover": mix(colours["line"], colours["card"], 0.6),
        "warned": mix(colours["warn"], colours["page"], 0.08),
        "unreal": mix(colours["warn"], colours["card"], 0.08),
        "alarmed": mix(colours["bad"], colours["page"], 0.14),
    }


def mix(over: str, under: str, share: float) -> str:
    """Return what CSS's ``color-mix(in srgb, over share, under)`` returns."""
    parts = (
        round(share * int(over[at : at + 2], 16) + (1 - share) * int(under[at : at + 2], 16))
        for at in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in parts)


def test_the_mixed_papers_are_as_in_the_style_sheet() -> None:
    for share in (
        "--hover: color-mix(in srgb, var(--line) 60%, var(--card))",
        ".liq-warning { border-color: var(--warn); background: color-mix(in srgb, var(--warn) 8%,",
        ".liq-critical { border-color: var(--bad); background: color-mix(in srgb, var(--bad) 14%,",
        "td.liq-unreal { background-color: color-mix(in srgb, var(--warn) 8%, transparent); }",
        "tr[data-key]:focus td { background-color: var(--hover); }",
        "tr.liq-marked td:not(.liq-long, .liq-short) { background-color: color-mix(in srgb, "
        "var(--mark) 16%, var(--card)); }",
    ):
        assert share in STYLE


@pytest.mark.parametrize("theme", THEMES)
def test_text_has_a_contrast_of_4_5(theme: str) -> None:
    colours = read_colours(theme)
    pairs = [
        *product(INKS, ("page", "card", "hover")),
        *product(("text", "muted", "warn"), ("warned",)),
        ("text", "unreal"),
        *product(("text", "muted", "bad"), ("alarmed",)),
        ("text", "line"),  # code, and pressed buttons
    ]
    poor = {
        f"{ink} on {paper}": round(found, 2)
        for ink, paper in pairs
        if (found := contrast(colours[ink], colours[paper])) < 4.5
    }
    assert poor == {}


@pytest.mark.parametrize("theme", THEMES)
def test_rows_marked_by_a_threshold_of_any_colour_have_a_contrast_of_4_5(theme: str) -> None:
    colours = read_colours(theme)
    for mark in product(("00", "80", "ff"), repeat=3):
        paper = mix("#" + "".join(mark), colours["card"], 0.16)
        assert contrast(colours["text"], paper) >= 4.5


@pytest.mark.parametrize(("theme", "ink"), [("dark", "#14181d"), ("light", "#ffffff")])
def test_badges_have_a_contrast_of_4_5(theme: str, ink: str) -> None:
    assert contrast(ink, read_colours(theme)["warn"]) >= 4.5


def test_the_arrow_of_a_drop_down_has_the_colour_of_its_theme() -> None:
    (rule,) = re.findall(r"\.widget-dropdown > select \{(.*?)\}", STYLE, re.DOTALL)
    assert set(re.findall(r"var\(--(\w+)\)", rule)) == {"muted"}
    for theme in THEMES:
        colours = read_colours(theme)
        assert contrast(colours["muted"], colours["card"]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_charts_and_page_have_the_same_colours(theme: ThemeName) -> None:
    colours, chart = read_colours(theme), THEMES[theme]
    shared = {"page", "card", "text", "muted", "long", "short"}
    assert {name: colours[name] for name in shared} == {
        name: getattr(chart, name) for name in shared
    }
    assert colours["warn"] == chart.warning


def test_the_page_around_has_a_muted_text_of_4_5() -> None:
    for page, muted in re.findall(r"--page: (#\w{6});.*?--muted: (#\w{6});", PAGE.read_text()):
        assert contrast(muted, page) >= 4.5


@pytest.mark.parametrize("part", [".liq-recent", ".liq-footnote", ".liq-heading small"])
def test_numbers_of_other_controls_are_dim_until_those_of_the_chosen_are_read(part: str) -> None:
    (dim,) = re.findall(r"^(.*liq-awaiting.*) \{ opacity: \.25; \}$", STYLE, re.MULTILINE)
    assert part in dim


def test_panels_that_could_not_be_read_do_not_say_that_they_load() -> None:
    texts = dict(re.findall(r"^(.*)::after \{ content: \"(.*?)\"", STYLE, re.MULTILINE))
    cards = [line for line in texts if ".liq-card" in line]
    assert [texts[card] for card in cards] == ["Loading …", "Not read"]
    assert all(":not(.liq-rules)" in card for card in cards)  # which are read from a file
    assert cards[1] == f".liq-outdated{cards[0]}"


@pytest.mark.parametrize("state", [".liq-awaiting", ".liq-undrawn"])
def test_a_chart_of_other_controls_cannot_be_saved(state: str) -> None:
    (hidden,) = re.findall(r"^(.*modebar.*) \{ visibility: hidden; \}", STYLE, re.MULTILINE)
    assert state in hidden


def test_nothing_moves_for_people_who_prefer_that() -> None:
    (rule,) = re.findall(r"@media \(prefers-reduced-motion: reduce\) \{(.*?)\n\}", STYLE, re.DOTALL)
    for effect in ("animation: none", "transition: none", "scroll-behavior: auto"):
        assert effect in rule
