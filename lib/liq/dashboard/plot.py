"""A chart widget that a page can afford many of.

plotly's ``FigureWidget`` sends the whole plotly.js (4.6 MB) with every instance and validates every
property of every update in Python. This one sends the figure as plain data and plotly.js at most
once a page; none at all when the page's server has loaded it already (``window.Plotly``).
"""

from pathlib import Path
from typing import Any

import anywidget
import traitlets


class Plot(anywidget.AnyWidget):
    """Shows ``spec``, a figure of `liq.charts` as plain data; assigning it redraws."""

    _esm = Path(__file__).with_name("plot.js")

    spec: "traitlets.Dict[str, Any]" = traitlets.Dict({"data": [], "layout": {}}).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._answer)

    def _answer(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        if message.get("type") == "plotly.js":
            self.send({"type": "plotly.js"}, [plotly_js().read_bytes()])


def plotly_js() -> Path:
    """Return the plotly.js that the installed plotly ships."""
    import plotly  # noqa: PLC0415 - most pages have it from their server

    return Path(plotly.__file__).with_name("package_data") / "plotly.min.js"
