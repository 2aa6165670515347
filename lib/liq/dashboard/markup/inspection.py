"""What a print was made of, beside the rule that made it."""

from datetime import datetime
from html import escape
from typing import Any

from liq.dashboard.inspector import Inspection
from liq.dashboard.markup.text import code
from liq.venues.base import Venue


def inspection(found: Inspection) -> str:
    """What a print was made of: the row with its units, the raw message, the venue's rule."""
    values = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(_value(value))}"
        f"<small>{escape(found.units.get(name, ''))}</small></td></tr>"
        for name, value in found.row.items()
    )
    raw = (
        f"<pre>{escape(found.raw)}</pre>" if found.raw else f"<p>{code(escape(found.problem))}</p>"
    )
    return (
        f"<section><h4>As stored</h4><table>{values}</table></section>"
        f"<section><h4>As the exchange sent it</h4>{raw}</section>"
        f"<section><h4>Rule{_documentation(found.venue)}</h4>{_rule(found.venue)}</section>"
    )


def _documentation(venue: Venue | None) -> str:
    if venue is None:
        return ""
    link = escape(venue.documentation)
    return (
        f'<a href="{link}" target="_blank" rel="noopener noreferrer">the venue\'s documentation</a>'
    )


def _rule(venue: Venue | None) -> str:
    return f"<pre>{escape(venue.rule)}</pre>" if venue else "<p>no venue that liq knows</p>"


def _value(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f} UTC"
    return f"{value:,.10g}" if isinstance(value, float) else str(value)
