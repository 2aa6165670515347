"""The venues liq listens to. A new one is a module with a parser, a recording and a line here."""

from liq.errors import ConfigError
from liq.venues.base import Venue
from liq.venues.binance import BINANCE_COINM, BINANCE_USDM
from liq.venues.bitfinex import BITFINEX
from liq.venues.bitmex import BITMEX
from liq.venues.bybit import BYBIT, BYBIT_INVERSE
from liq.venues.deribit import DERIBIT
from liq.venues.gate import GATE, GATE_INVERSE
from liq.venues.htx import HTX, HTX_INVERSE
from liq.venues.okx import OKX

VENUES = {
    venue.name: venue
    for venue in (
        BINANCE_USDM,
        BINANCE_COINM,
        BYBIT,
        BYBIT_INVERSE,
        OKX,
        BITMEX,
        DERIBIT,
        HTX,
        HTX_INVERSE,
        GATE,
        GATE_INVERSE,
        BITFINEX,
    )
}


def venue(name: str) -> Venue:
    """Return a venue by name, e.g. ``binance_usdm``; `ConfigError` lists the names otherwise."""
    if name not in VENUES:
        raise ConfigError(f"unknown venue {name!r}; valid are: {', '.join(VENUES)}")
    return VENUES[name]
