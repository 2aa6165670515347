"""A chart widget that a page can afford many of.

plotly's ``FigureWidget`` sends the whole plotly.js (4.6 MB) with every instance and validates every
property of every update in Python. This one sends the figure as plain data and plotly.js at most
once a page; none at all when the page's server has loaded it already (``window.Plotly``).

Long columns of numbers and times travel as plotly's typed arrays, in half of the bytes of text.
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

_LEAST = 32  # shorter columns are as short as text
_COLUMNS = {"x", "y"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT")


def _sent(spec: Spec, _widget: object) -> Spec:
    """Return the figure with long columns of its traces as typed arrays, times in milliseconds."""
    traces = [
        {name: _packed(values) if name in _COLUMNS else values for name, values in trace.items()}
        for trace in spec["data"]
    ]
    return spec | {"data": traces}


def _packed(values: Any) -> Any:
    if not isinstance(values, list) or len(values) < _LEAST:
        return values
    times = isinstance(values[0], str) and _TIME.match(values[0])
    try:
        numbers = np.array(values, "datetime64[ms]" if times else "f8").astype("<f8")
    except ValueError:  # names, as of symbols
        return values
    return {"dtype": "f8", "bdata": b64encode(numbers.tobytes()).decode()}


class Plot(anywidget.AnyWidget):
    """Shows ``spec``, a figure of `liq.analysis.charts` as plain data; assigning it redraws.

    With ``brush`` its horizontal axis is time, and a range drawn on it goes to `on_brush`.
    """

    _esm = Path(__file__).with_name("plot.js")

    spec: "traitlets.Dict[str, Any]" = traitlets.Dict({"data": [], "layout": {}}).tag(
        sync=True, to_json=_sent
    )
    brush = traitlets.Bool(default_value=False).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._answer)

    def on_brush(self, brushed: Callable[[Span | None], object], guard: Guard) -> None:
        """Call ``brushed`` with the start and end that a reader marked; None: all again.

        ``guard`` shows what it raises.
        """

        @guard.wrap
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
