"""DataFrames as tables in a notebook: ``tables.style_table(frame, precision=2)``.

pandas' own ``frame.style`` writes cells and labels into the page without escaping, even a script.
`StyledTable` is a Styler with a template that escapes them, so no later ``format`` can undo it.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader
from markupsafe import Markup
from pandas.io.formats.style import Styler

from liq.common.html import join, render_link

_TEMPLATES = ChoiceLoader(
    [FileSystemLoader(Path(__file__).parent), PackageLoader("pandas", "io/formats/templates")]
)
_CELLS = ("th", "td")
_ID = "liq"
_NUMBERS = "iufcmM"  # kinds of dtypes; Jupyter aligns all columns as numbers
_SPAN = re.compile(r'(col|row)span="(\d+)"')


def _render_spans(attributes: str) -> Markup:
    """Return over how many rows or columns a label goes; pandas itself says nothing else."""
    return join(Markup(' {}span="{}"').format(*found) for found in _SPAN.findall(attributes))


class StyledTable(Styler):
    """A Styler that escapes every cell, label and caption, unless it is `Markup`."""

    env = Environment(loader=_TEMPLATES, trim_blocks=True, autoescape=True)
    env.filters["spans"] = _render_spans
    template_html = env.get_template("html.tpl")
    template_html_table = env.get_template("tables.html.j2")
    template_html_style = env.get_template("html_style.tpl")

    def to_html(self, buf: Any = None, *, table_uuid: str | None = None, **options: Any) -> Any:
        """Return the page, or write it to ``buf``, as pandas does.

        The table's id is made of its content, not of chance: a notebook that is run again stays
        the same, and tables with other styles have other ids.
        """
        if table_uuid is None:
            page: str = super().to_html(table_uuid=_ID, **options)
            table_uuid = hashlib.sha256(page.encode()).hexdigest()[:12]
        return super().to_html(buf, table_uuid=table_uuid, **options)


def locate_text_columns(frame: pd.DataFrame) -> list[int]:
    """Return the positions, from 0, of the columns that are aligned as texts."""
    return [place for place, dtype in enumerate(frame.dtypes) if dtype.kind not in _NUMBERS]


def style_table(
    frame: pd.DataFrame,
    *,
    precision: int | None = None,
    index: bool = False,
    links: Sequence[str] = (),
) -> StyledTable:
    """Return ``frame`` as a table, numbers with ``precision`` digits and thousands apart.

    ``index`` shows the row labels too. Web addresses in the columns ``links`` become links.
    """
    table = StyledTable(frame)
    table.format(precision=precision, thousands=",")
    # JupyterLab renders text between two dollars as a formula
    table.set_table_attributes(Markup('class="mathjax_ignore tex2jax_ignore"'))
    texts = locate_text_columns(frame)
    selectors = ["th.row_heading", *(f"{cell}.col{number}" for number in texts for cell in _CELLS)]
    table.set_table_styles([{"selector": ", ".join(selectors), "props": "text-align: left"}])
    if links:
        table.format(render_link, subset=list(links))
    if not index:
        table.hide(axis="index")
    return table
