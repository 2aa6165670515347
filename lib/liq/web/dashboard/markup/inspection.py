"""What a print was made of, beside the rule that made it."""

from datetime import datetime
from typing import Any

from markupsafe import Markup

from liq.common.html import join, with_code
from liq.ingest.venues.base import Venue
from liq.web.dashboard.inspector import Inspection


def inspection(found: Inspection) -> Markup:
    """What a print was made of: the row with its units, the raw message, the venue's rule."""
    field = Markup("<tr><th>{}</th><td>{}<small>{}</small></td></tr>")
    values = join(
        field.format(name, _value(value), found.units.get(name, ""))
        for name, value in found.row.items()
    )
    raw = (
        Markup("<pre>{}</pre>").format(found.raw)
        if found.raw
        else Markup("<p>{}</p>").format(with_code(found.problem))
    )
    return Markup(
        "<section><h4>As stored</h4><table>{values}</table></section>"
        "<section><h4>As the exchange sent it</h4>{raw}</section>"
        "<section><h4>Rule{documentation}</h4>{rule}</section>"
    ).format(
        values=values, raw=raw, documentation=_documentation(found.venue), rule=_rule(found.venue)
    )


def _documentation(venue: Venue | None) -> Markup:
    if venue is None:
        return Markup()
    return Markup(
        '<a href="{}" target="_blank" rel="noopener noreferrer">the venue\'s documentation</a>'
    ).format(venue.documentation)


def _rule(venue: Venue | None) -> Markup:
    if venue is None:
        return Markup("<p>no venue that liq knows</p>")
    return Markup("<pre>{}</pre>").format(venue.rule)


def _value(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f} UTC"
    return f"{value:,.10g}" if isinstance(value, float) else str(value)
