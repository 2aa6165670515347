"""Binance USD-M mark prices: ``<symbol>@markPrice@1s``, of the contracts that the settings name.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Mark-Price-Stream
One contract a message, each second, bare on a raw stream, below ``data`` on a combined one::

    {"e": "markPriceUpdate",
     "E": 1562305380000,      time, milliseconds
     "s": "BTCUSDT",          contract
     "p": "11794.15000000",   mark price, in quote per base
     "i": "11784.62659091",   index: the spot price on several exchanges
     "P": "11784.25641265",   estimated settlement price, of use only in the hour before that
     "r": "0.00038167",       funding rate
     "T": 1562306400000}      next funding time, milliseconds

The mark price is what positions are judged by, so it is the one that liquidates; it follows the
index and the contract's own trades smoothly, and one odd trade does not move it. It is used as the
price of its asset wherever a liquidation's exchange has none of its own here.

Traps: the stream is on the route ``/market``, which the liquidations have too (the URL without a
route acknowledges and stays silent since 2026-04-23). A connection lasts 24 hours and carries at
most 1024 streams.
"""

from collections.abc import Sequence

import msgspec

from liq.config import Settings
from liq.errors import ConfigError, RejectedMessage
from liq.ingest.venues.base import (
    Instrument,
    Instruments,
    Venue,
    convert_ms,
    encode_request,
    parse_positive,
)
from liq.ingest.venues.binance import BINANCE_USDM, Frame, build_usdm_contract, expect_answer
from liq.ingest.venues.canonical import decode
from liq.records.coins import find_coin
from liq.records.model import Price, ReferenceKind, Source


class _Frame(Frame):
    E: int = 0
    s: str = ""
    p: str = ""
    data: "_Frame | None" = None


_frame = msgspec.json.Decoder(_Frame)


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> list[Price]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    frame = decode(_frame, raw)
    event = frame.data or frame
    if event.e != "markPriceUpdate":
        expect_answer(frame, event)
        return []
    contract = build_usdm_contract(event.s, instruments)
    price = Price(
        ts=convert_ms(event.E),
        recv_ts=recv_ts,
        exchange=BINANCE_USDM.name,
        symbol=event.s,
        base=contract.base,
        quote=contract.quote,
        kind=ReferenceKind.MARK,
        price=parse_positive(event.p, "mark price p"),
        source=source,
    )
    return [price]


def _subscribe(instruments: Instruments) -> Sequence[str]:
    streams = [f"{symbol.lower()}@markPrice@1s" for symbol in instruments]
    request = {"method": "SUBSCRIBE", "params": streams, "id": 1}
    return [encode_request(request)]


def _chosen(settings: Settings) -> list[Instrument]:
    try:
        chosen = [build_usdm_contract(symbol, {}) for symbol in settings.price_symbols.split(",")]
    except RejectedMessage as error:
        raise ConfigError(f"LIQ_PRICE_SYMBOLS: {error}") from error
    if len({find_coin(contract.base).asset for contract in chosen}) < len(chosen):
        raise ConfigError("LIQ_PRICE_SYMBOLS: name one contract an asset, whose price it is")
    return chosen


BINANCE_USDM_MARK = Venue(
    name="binance_usdm_mark",
    url="wss://fstream.binance.com/market/ws",
    completeness=None,
    documentation="https://developers.binance.com/docs/derivatives/usds-margined-futures",
    parse=parse,
    subscribe=_subscribe,
    silence=30,
    chosen=_chosen,
)
