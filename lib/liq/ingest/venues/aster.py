"""Aster futures: ``!forceOrder@arr``, the liquidation orders of all contracts, as Binance has it.

Source: https://github.com/asterdex/api-docs, "All Market Liquidation Order Streams" of the futures
API. The protocol is Binance's USD-M, and so is the parser (`liq.ingest.venues.binance`)::

    {"e": "forceOrder", "E": 1789672621589, "o": {
        "s": "BTCUSDT",      contract
        "S": "SELL",         side of the closing order: SELL closes a long
        "o": "LIMIT", "f": "IOC",
        "q": "0.014",        ordered quantity, in base
        "p": "9910",         limit price: not what was paid
        "ap": "9910",        average price of the fills so far, in quote per base
        "X": "FILLED",       status
        "l": "0.014",        quantity of the last fill
        "z": "0.014",        quantity of all fills so far
        "T": 1789672621550}} time of trade, milliseconds

Notional is ``z`` times ``ap``. An order that is still open is skipped: ``z`` accumulates, so its
last message has all of it.

Traps: at most the latest order a second a contract is shown, so totals are lower bounds. The limit
price was 8.5 % off the price of the fills in a recording. Unlike Binance's, this stream has one
kind of contract and no field ``st``. A connection lasts 24 hours and takes 10 requests a second.

The mark price of BTC, every 3 s, shows that a connection is not dead in a quiet market. The server
pings below the messages, every 5 minutes.
"""

from collections.abc import Sequence

from liq.ingest.venues.base import Instruments, Venue, send_always
from liq.ingest.venues.binance import parse_force_order
from liq.records.model import Completeness, Record, Source


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> Sequence[Record]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    return parse_force_order(ASTER.name, raw, instruments, recv_ts, source)


ASTER = Venue(
    name="aster",
    url="wss://fstream.asterdex.com/ws/!forceOrder@arr",
    completeness=Completeness.THROTTLED,
    documentation="https://github.com/asterdex/api-docs",
    not_covered="contracts quoted in bitcoin, counted as skipped",
    parse=parse,
    subscribe=send_always('{"method":"SUBSCRIBE","params":["btcusdt@markPrice"],"id":1}'),
    silence=30,
)
