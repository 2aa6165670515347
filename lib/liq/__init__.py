"""liq: realtime analytics of crypto liquidations, in Jupyter.

>>> import liq
>>> bars = liq.hit("liquidations_by_bucket", bucket="1m", window="1h")
>>> liq.charts.bars(bars)
Figure({...})

Folders are the stages of the flow: `liq.records`, `liq.ingest`, `liq.delivery`, `liq.query`,
`liq.analysis`, and `liq.notebook`, `liq.web` and `liq.cli`, which show results. Beside them are
`liq.stack` (local servers), `liq.monitoring` and `liq.common`.
"""

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liq.analysis import alerts as alerts
    from liq.analysis import charts as charts
    from liq.config import Settings as Settings
    from liq.delivery.producer import Producer as Producer
    from liq.errors import LiqError as LiqError
    from liq.query.exports import export as export
    from liq.query.queries import hit as hit
    from liq.query.queries import queries as queries
    from liq.web.dashboard import Dashboard as Dashboard

    __version__: str

_HOMES = {
    "Dashboard": "liq.web.dashboard",
    "LiqError": "liq.errors",
    "Producer": "liq.delivery.producer",
    "Settings": "liq.config",
    "alerts": "liq.analysis",
    "charts": "liq.analysis",
    "export": "liq.query.exports",
    "hit": "liq.query.queries",
    "queries": "liq.query.queries",
}
__all__ = [*sorted(_HOMES), "__version__"]  # noqa: PLE0604 - the keys are texts


def __getattr__(name: str) -> Any:
    # lazily: `import liq` stays quick, pandas and psycopg load with the first query
    if name == "__version__":
        return importlib.metadata.version("liq")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(_HOMES[name])
    return getattr(home, name, None) or importlib.import_module(f"{_HOMES[name]}.{name}")


def __dir__() -> list[str]:
    return __all__
