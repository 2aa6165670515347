"""Comparisons as a table in the terminal, and as a table and a picture in the documentation.

The page keeps all comparisons. A repeated comparison replaces its old result. The picture is drawn
from the results in the page.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright
from plotly.offline import get_plotlyjs
from rich.table import Table

from bench.compare import Comparison, Line, Spread, lines
from bench.first_bar import CHROMIUM, FLAGS

PAGE = Path("docs/performance.md")
PICTURE = "side-by-side.svg"
_MARK = "side by side"
_HEAD = ("contender", "figure", "median", "least to most", "liq is ahead", "lost", "doubled")
_COMPARISON = re.compile(
    r"^### [^\n]*\(`(?P<key>[^`]+)`\)\n.*?(?=^### |\Z)", re.MULTILINE | re.DOTALL
)
_NUMBER = r"([\d.,]+)"
_RATIO = re.compile(rf"\| {_NUMBER}x \({_NUMBER} to {_NUMBER}\) \|")
_AHEAD, _BEHIND = "#2a9d8f", "#e76f51"


def table(comparison: Comparison) -> Table:
    """Return it for the terminal."""
    shown = Table(*_HEAD, title=comparison.title, caption=about(comparison))
    for row in _rows(comparison):
        shown.add_row(*row)
    return shown


def markdown(comparison: Comparison) -> str:
    """Return it as a section of a page."""
    title = f"### {comparison.title} (`{comparison.key}`)"
    return f"{title}\n\n{about(comparison)}\n\n{grid([_HEAD, *_rows(comparison)])}\n"


def about(comparison: Comparison) -> str:
    """Return how it was measured, in a sentence or two."""
    begun = comparison.begun[:16].replace("T", " ")
    return (
        f"{comparison.note} {len(comparison.rounds)} rounds, {begun} UTC,"
        f" {machine(comparison.cores, comparison.load)}"
    ).strip()


def machine(cores: int, load: tuple[float, float]) -> str:
    """Return what it was measured on; ``load`` is the average before and after."""
    before, after = load
    return f"{cores} cores, load {before:.1f} before and {after:.1f} after."


def publish(
    comparisons: Sequence[Comparison], place: Callable[[str], int], page: Path = PAGE
) -> None:
    """Write the tables into the marked section of ``page``, and the picture beside it.

    Other comparisons on the page stay; ``place`` returns the position of a key on the page. Raises
    ValueError if the page has no such section.
    """
    text = page.read_text()
    made = {comparison.key: markdown(comparison) for comparison in comparisons}
    tables = dict(sorted((parse_tables(text) | made).items(), key=lambda table: place(table[0])))
    picture = f"![How many times liq is ahead]({PICTURE})\n\n"
    page.write_text(fill(text, _MARK, picture + "\n".join(tables.values())))
    page.with_name(PICTURE).write_text(svg(figure(tables)))


def parse_tables(page: str) -> dict[str, str]:
    """Return the comparisons on a page by key, as `markdown` rendered them."""
    section = _section(_MARK).search(page)
    found = _COMPARISON.finditer(section.group() if section else "")
    return {each["key"]: each.group().rstrip() + "\n" for each in found}


def fill(page: str, mark: str, text: str) -> str:
    """Return the text of a page with ``text`` between ``<!-- mark -->`` and ``<!-- end -->``.

    Raises ValueError when it has no such section.
    """
    section = _section(mark)
    if not section.search(page):
        raise ValueError(f"the page has no section <!-- {mark} -->")
    return section.sub(lambda _: text, page, count=1)


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown; the first of the ``rows`` is its head."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def figure(tables: Mapping[str, str]) -> go.Figure:
    """Return a bar from 1 to each ratio, on a logarithmic scale: to the right liq is ahead.

    ``tables`` are comparisons by key, as `markdown` makes them.
    """
    compared = [
        (f"{key}, {name}", ratio) for key, table in tables.items() for name, ratio in _ratios(table)
    ]
    compared.reverse()
    names, ratios = [name for name, _ in compared], [ratio for _, ratio in compared]
    bars = go.Bar(
        y=names,
        base=1,
        x=[ratio.median - 1 for ratio in ratios],
        orientation="h",
        marker_color=[_AHEAD if ratio.median >= 1 else _BEHIND for ratio in ratios],
        error_x={
            "array": [ratio.high - ratio.median for ratio in ratios],
            "arrayminus": [ratio.median - ratio.low for ratio in ratios],
            "thickness": 1,
        },
    )
    labels = go.Scatter(
        y=names,
        x=[max(ratio.high, 1) for ratio in ratios],
        mode="text",
        text=[f" {_times(ratio.median)}" for ratio in ratios],
        textposition="middle right",
        cliponaxis=False,
    )
    drawn = go.Figure([bars, labels])
    drawn.update_layout(
        title="How many times liq is ahead: median of the rounds, least and most",
        xaxis={"type": "log", "ticksuffix": "x", "dtick": 1},
        yaxis={"automargin": True},
        template="plotly_white",
        width=1000,
        height=140 + 26 * len(compared),
        bargap=0.4,
        showlegend=False,
    )
    drawn.add_vline(x=1, line_width=1)
    return drawn


def svg(drawn: go.Figure) -> str:
    """Return the figure as SVG, drawn by plotly in Chromium."""
    draw = """async figure => {
        const url = await Plotly.toImage(figure, {format: "svg", ...figure.layout});
        return decodeURIComponent(url.slice(url.indexOf(",") + 1));
    }"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        try:
            page = browser.new_page()
            page.add_script_tag(content=get_plotlyjs())
            return str(page.evaluate(draw, json.loads(drawn.to_json())))
        finally:
            browser.close()


def _section(mark: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=<!-- {mark} -->\n).*?(?=<!-- end -->)", re.DOTALL)


def _ratios(table: str) -> Iterator[tuple[str, Spread]]:
    contender = ""
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if ratio := _RATIO.search(line):
            contender = cells[1] or contender
            values = [float(value.replace(",", "")) for value in ratio.groups()]
            yield f"{cells[2]}: {contender}", Spread(*values)


def _rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    before = ""
    for line in lines(comparison):
        yield (line.contender if line.contender != before else "", *_cells(line))
        before = line.contender


def _cells(line: Line) -> tuple[str, ...]:
    value, ratio = line.value, line.ratio
    return (
        line.figure.name,
        f"{number(value.median)} {line.figure.unit}",
        f"{number(value.low)} to {number(value.high)}",
        f"{_times(ratio.median)} ({_range(ratio)})" if ratio else "",
        "" if line.lost is None else f"{line.lost:,}",
        "" if line.doubled is None else f"{line.doubled:,}",
    )


def _range(ratio: Spread) -> str:
    return f"{number(ratio.low)} to {number(ratio.high)}"


def _times(ratio: float) -> str:
    return f"{number(ratio)}x"


def number(value: float) -> str:
    """Return a figure with as many decimals as say something."""
    size = abs(value)
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2}f}"
