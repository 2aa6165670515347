"""A light chart widget, so that a page can have many.

plotly's ``FigureWidget`` sends the whole plotly.js (4.6 MB) with every instance and validates every
property of every update in Python. `Plot` sends the figure as plain data, and plotly.js at most
once a page. A page whose server provides it (``window.Plotly``) needs none from the kernel.

Long columns of numbers and times are sent as plotly's typed arrays, which take half the bytes.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from liq.analysis.charts import Spec
from liq.web.dashboard.guard import Guard

Span = tuple[datetime, datetime]

_LEAST = 32  # a shorter column is as small in text
_COLUMNS = {"x", "y"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT")


def _pack(spec: Spec, _widget: object) -> Spec:
    """Return the figure with long columns of its traces as typed arrays, times in milliseconds."""
    traces = [
        {
            name: _pack_column(values) if name in _COLUMNS else values
            for name, values in trace.items()
        }
        for trace in spec["data"]
    ]
    return spec | {"data": traces}


def _pack_column(values: Any) -> Any:
    if not isinstance(values, list) or len(values) < _LEAST:
        return values
    times = isinstance(values[0], str) and _TIME.match(values[0])
    try:
        numbers = np.array(values, "datetime64[ms]" if times else "f8").astype("<f8")
    except ValueError:  # names, e.g. of symbols
        return values
    return {"dtype": "f8", "bdata": b64encode(numbers.tobytes()).decode()}


class Plot(anywidget.AnyWidget):
    """Shows ``spec``, a figure of `liq.analysis.charts` as plain data; assigning it redraws.

    With ``brush`` the horizontal axis is time, and `on_brush` receives a range drawn on it.
    """

    _esm = Path(__file__).with_name("plot.js")

    spec: "traitlets.Dict[str, Any]" = traitlets.Dict({"data": [], "layout": {}}).tag(
        sync=True, to_json=_pack
    )
    brush = traitlets.Bool(default_value=False).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._send_library)

    def on_brush(self, brushed: Callable[[Span | None], object], guard: Guard) -> None:
        """Call ``brushed`` with the start and end of a drawn range; None after a double-click.

        ``guard`` shows its exceptions.
        """

        @guard.wrap
        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "brush":
                brushed((_moment(message["from"]), _moment(message["to"])))
            elif message.get("type") == "unbrush":
                brushed(None)

        self.on_msg(receive)

    def _send_library(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        if message.get("type") == "plotly.js":
            self.send({"type": "plotly.js"}, [plotly_js().read_bytes()])


def _moment(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def plotly_js() -> Path:
    """Return the path of the plotly.js in the installed plotly."""
    import plotly  # noqa: PLC0415 - the server provides it to most pages

    return Path(plotly.__file__).with_name("package_data") / "plotly.min.js"
