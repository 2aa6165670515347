"""The venues of liq, one module each; docs/architecture.md says what a new one needs.

`VENUES` are feeds of liquidations, `PRICE_FEEDS` are feeds of prices to compare them with.
"""

from collections.abc import Sequence

from liq.common.text import match, suggest
from liq.errors import ConfigError
from liq.ingest.venues.aster import ASTER
from liq.ingest.venues.base import Venue
from liq.ingest.venues.binance import BINANCE_COINM, BINANCE_USDM
from liq.ingest.venues.binance_mark import BINANCE_USDM_MARK
from liq.ingest.venues.bitfinex import BITFINEX
from liq.ingest.venues.bitget import BITGET
from liq.ingest.venues.bitmex import BITMEX
from liq.ingest.venues.bybit import BYBIT, BYBIT_INVERSE
from liq.ingest.venues.deribit import DERIBIT
from liq.ingest.venues.dydx import DYDX
from liq.ingest.venues.gate import GATE, GATE_INVERSE
from liq.ingest.venues.htx import HTX, HTX_DELIVERY, HTX_INVERSE
from liq.ingest.venues.kraken import KRAKEN
from liq.ingest.venues.lighter import LIGHTER
from liq.ingest.venues.okx import OKX
from liq.ingest.venues.orderly import ORDERLY

VENUES = {
    feed.name: feed
    for feed in (
        BINANCE_USDM,
        BINANCE_COINM,
        BYBIT,
        BYBIT_INVERSE,
        OKX,
        BITMEX,
        DERIBIT,
        HTX,
        HTX_INVERSE,
        HTX_DELIVERY,
        GATE,
        GATE_INVERSE,
        BITFINEX,
        BITGET,
        ASTER,
        KRAKEN,
        LIGHTER,
        DYDX,
        ORDERLY,
    )
}
PRICE_FEEDS = {feed.name: feed for feed in (BINANCE_USDM_MARK,)}

ALL = "all"  # where names of venues are asked for


def resolve_names(asked: Sequence[str]) -> list[str]:
    """Return the feeds that ``asked`` names, once each; ``all`` names all feeds of liquidations.

    Raises `ConfigError` for an unknown one.
    """
    every = any(name.casefold() == ALL for name in asked)
    return list(dict.fromkeys(VENUES if every else [find_venue(name).name for name in asked]))


def build_url(name: str, url: str) -> str:
    """Return ``url`` with the venue's name for ``{venue}`` in it, the venue's own URL for ""."""
    return url.replace("{venue}", find_venue(name).name) or find_venue(name).url


def list_known_exchanges() -> list[str]:
    """Return the names of all feeds of liq. Rows of other programs may have other names."""
    return [*VENUES, *PRICE_FEEDS]


def find_venue(name: str) -> Venue:
    """Return a feed by name, e.g. ``binance_usdm``, whatever its case.

    Raises `ConfigError`, which lists the names, for an unknown one.
    """
    feeds = VENUES | PRICE_FEEDS
    if found := match(name, feeds):
        return feeds[found]
    raise ConfigError(f"unknown venue {name!r}{suggest(name, feeds)}")
