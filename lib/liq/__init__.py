"""Realtime analytics of crypto liquidations, in Jupyter.

`liq.hit` has the queries. A result is a DataFrame whose ``attrs`` say its units and what it lacks:

>>> import liq
>>> top = liq.hit.top_symbols(window="1h", limit=3)
>>> top.attrs["units"]["total_usd"]
'USD'

`liq.charts` draws results:

>>> bars = liq.hit.liquidations_by_bucket(bucket="1m", window="1h")
>>> liq.charts.bars(bars)
Figure({...})

`liq.export` writes a result into a file, and `liq.read` reads it back with its types and units:

>>> stamp = liq.export("top_symbols", "top.csv", window="1h", limit=3)
>>> liq.read("top.csv").equals(top)
True

`liq.queries()` lists the queries, ``liq.hit.top_symbols?`` describes one. Folders are the stages of
the flow: `liq.records`, `liq.ingest`, `liq.delivery`, `liq.query`, `liq.analysis`, and
`liq.notebook`, `liq.web` and `liq.cli`, which show results. Beside them are `liq.stack` (local
servers), `liq.monitoring` and `liq.common`.
"""

# private names, so that completion offers those of liq alone
import importlib as _importlib
import sys as _sys
import typing as _typing

if _typing.TYPE_CHECKING:
    from liq.analysis import alerts as alerts
    from liq.analysis import charts as charts
    from liq.config import Settings as Settings
    from liq.delivery.producer import Producer as Producer
    from liq.errors import LiqError as LiqError
    from liq.query.exports import export as export
    from liq.query.exports import read as read
    from liq.query.hits import hit as hit
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
    "hit": "liq.query.hits",
    "queries": "liq.query.queries",
    "read": "liq.query.exports",
}
__all__ = [*sorted(_HOMES), "__version__"]  # noqa: PLE0604 - the keys are texts


def __getattr__(name: str) -> _typing.Any:
    # lazily: `import liq` stays quick, pandas and psycopg load with the first query
    if name == "__version__":
        return _importlib.import_module("importlib.metadata").version("liq")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _importlib.import_module(_HOMES[name])
    return getattr(home, name, None) or _importlib.import_module(f"{_HOMES[name]}.{name}")


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: _typing.Any) -> None:
    """Complete names of queries, parameters and markets in IPython; `import liq` does it too."""
    _importlib.import_module("liq.notebook.shell").install(shell)


_shell = getattr(_sys.modules.get("IPython"), "get_ipython", lambda: None)()
if hasattr(getattr(_shell, "Completer", None), "custom_matchers"):  # IPython 8.6 and newer
    load_ipython_extension(_shell)
