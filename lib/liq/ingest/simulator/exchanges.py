"""The simulated exchanges, by venue."""

from functools import cache

from liq.ingest.simulator.aster import Aster
from liq.ingest.simulator.binance import Binance
from liq.ingest.simulator.bitfinex import Bitfinex
from liq.ingest.simulator.bitget import Bitget
from liq.ingest.simulator.bitmex import Bitmex
from liq.ingest.simulator.bybit import Bybit
from liq.ingest.simulator.deribit import Deribit
from liq.ingest.simulator.dydx import Dydx
from liq.ingest.simulator.exchange import Exchange
from liq.ingest.simulator.gate import Gate
from liq.ingest.simulator.htx import Htx
from liq.ingest.simulator.kraken import Kraken
from liq.ingest.simulator.lighter import Lighter
from liq.ingest.simulator.okx import Okx
from liq.ingest.simulator.orderly import Orderly

DEFAULT = "binance_usdm"
_EXCHANGES = (
    Binance,
    Bybit,
    Okx,
    Bitmex,
    Deribit,
    Htx,
    Gate,
    Bitfinex,
    Bitget,
    Aster,
    Kraken,
    Lighter,
    Dydx,
    Orderly,
)


@cache
def create_exchange(venue: str) -> Exchange:
    """Return the exchange that speaks as ``venue`` does; `KeyError` if there is no such venue."""
    kinds = {kind.__name__.lower(): kind for kind in _EXCHANGES}
    return kinds[venue.partition("_")[0]](venue)
