"""HTML with untrusted text: `markupsafe.Markup` escapes all values put into it.

``Markup("<td>{}</td>").format(symbol)`` cannot forget to escape ``symbol``. So every function that
makes HTML returns `Markup`, whose template is a literal, and every widget that shows HTML takes
nothing else (`liq.web.dashboard.widgets`). ``tests/security/test_exits.py`` refuses other ways.
"""

import re
from collections.abc import Iterable
from itertools import zip_longest

from markupsafe import Markup, escape

_CODE = re.compile(r"`(.+?)`")


def join(parts: Iterable[object]) -> Markup:
    """Return the parts as one piece of HTML, escaped unless they are `Markup`."""
    return Markup().join(map(escape, parts))


def render_cells(values: Iterable[object]) -> Markup:
    """Return a table's cells, escaped unless they are `Markup`."""
    return Markup("<td>") + Markup("</td><td>").join(map(escape, values)) + Markup("</td>")


def render_row(values: Iterable[object]) -> Markup:
    """Return a table's row, its cells escaped unless they are `Markup`."""
    return Markup("<tr>") + render_cells(values) + Markup("</tr>")


def render_table(
    head: Iterable[object], rows: Iterable[Markup], about: Iterable[str] = ()
) -> Markup:
    """Return a table with a line of headings, escaped unless they are `Markup`, above ``rows``.

    ``about`` has the tooltips of the headings; an empty text, or a missing one, is none.
    """
    names = join(_render_heading(*pair) for pair in zip_longest(head, about, fillvalue=""))
    body = Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>")
    return body.format(names, join(rows))


def _render_heading(name: object, about: object) -> Markup:
    title = Markup(' title="{}"').format(about) if about else ""
    return Markup("<th{}>{}</th>").format(title, name)


def render_code(text: str) -> Markup:
    """Return escaped text in which `text in backticks` is set as code."""
    parts = _CODE.split(text)  # by turns: text, code, text ...
    return join(
        Markup("<code>{}</code>").format(part) if number % 2 else part
        for number, part in enumerate(parts)
    )


def render_link(address: object) -> Markup:
    """Return a link to a web page that opens beside this one; another address stays text."""
    if not str(address).startswith(("https://", "http://")):
        return escape(address)
    template = Markup('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>')
    return template.format(address)
