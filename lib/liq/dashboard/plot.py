"""A chart widget that a page can afford many of.

plotly's ``FigureWidget`` sends the whole plotly.js (4.6 MB) with every instance and validates every
property of every update in Python. This one sends the figure as plain data and plotly.js at most
once a page; none at all when the page's server has loaded it already (``window.Plotly``).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anywidget
import traitlets

Span = tuple[datetime, datetime]


class Plot(anywidget.AnyWidget):
    """Shows ``spec``, a figure of `liq.charts` as plain data; assigning it redraws.

    With ``brush`` its horizontal axis is time, and a range drawn on it goes to `on_brush`.
    """

    _esm = Path(__file__).with_name("plot.js")

    spec: "traitlets.Dict[str, Any]" = traitlets.Dict({"data": [], "layout": {}}).tag(sync=True)
    brush = traitlets.Bool(default_value=False).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._answer)

    def on_brush(self, brushed: Callable[[Span | None], object]) -> None:
        """Call ``brushed`` with the start and end that a reader marked; None: all again."""

        def hear(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "brush":
                brushed((_moment(message["from"]), _moment(message["to"])))
            elif message.get("type") == "unbrush":
                brushed(None)

        self.on_msg(hear)

    def _answer(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        if message.get("type") == "plotly.js":
            self.send({"type": "plotly.js"}, [plotly_js().read_bytes()])


def _moment(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def plotly_js() -> Path:
    """Return the plotly.js that the installed plotly ships."""
    import plotly  # noqa: PLC0415 - most pages have it from their server

    return Path(plotly.__file__).with_name("package_data") / "plotly.min.js"
