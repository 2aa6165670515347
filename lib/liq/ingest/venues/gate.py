"""Gate perpetuals: ``futures.public_liquidates``, liquidation orders of all contracts.

Source: https://www.gate.com/docs/developers/futures/ws/en/#public-liquidates-order-api
One contract a message::

    {"channel": "futures.public_liquidates", "event": "update",
     "time": 1541505434, "time_ms": 1541505434123, "result": [{
        "contract": "BTC_USDT",
        "size": "-124.5",       contracts of quanto_multiplier base each; below zero is a sell
        "price": "215.1",       price of the liquidation order, in quote per base
        "time": 1541486601123   time, milliseconds
    }]}

The sign of ``size`` is that of the closing *order*: a sell, below zero, closes a long. The
documentation does not say so, and the REST history ``liq_orders`` has the opposite sign, because
its ``size`` is the position. Certainty: good, not official. A public report of 2026-08 paired six
orders of this channel with their REST rows (every sign opposite, every ``price`` the REST
``order_price`` to the digit) and found longs in falling markets; the sign was asked of Gate in
gateio/WebSocket-API issue 132, unanswered.

Completeness: throttled. The documentation says that each contract pushes at most one order a
second. A notice promised batches of up to a second or 20 orders from 2026-08-20 on. No stored copy
of the documentation confirms it, so the weaker word is used.

Traps: ``result`` is an array or, as recorded in 2026, a bare object. ``time`` is in milliseconds,
or in seconds with ``time_ms`` beside it: all of these are read. Without the
header ``X-Gate-Size-Decimal: 1`` a size loses its decimals. An inverse contract has a
quanto_multiplier of 0 and is 1 USD. BTC-settled contracts on other coins (quanto) are left out.

The ticker of BTC shows that a connection is not dead in a quiet market. The server pings below the
messages.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
    Instrument,
    Instruments,
    Listing,
    Venue,
    convert_ms,
    encode_request,
    parse_positive,
    send_always,
)
from liq.ingest.venues.canonical import (
    Context,
    Number,
    RawLiquidation,
    build_records,
    decode,
    make_decoder,
    parse_listing,
    split_array,
    split_rows,
)
from liq.records.model import Completeness, PriceKind, Record, Side, Source

_CHANNEL = "futures.public_liquidates"
_CONTROL = "futures.tickers"
_SECONDS = 100_000_000_000  # a time below this is in seconds


class _Row(msgspec.Struct, gc=False):
    contract: str
    size: Number
    price: Number
    time: int
    time_ms: int | None = None


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Frame(msgspec.Struct):
    """A push (event ``update``) or the answer to a request."""

    channel: str = ""
    event: str = ""
    error: _Error | None = None
    result: msgspec.Raw = msgspec.Raw()


_frame = msgspec.json.Decoder(_Frame)
_row = make_decoder(_Row)


def _parse(
    exchange: str,
    raw: str | bytes,
    instruments: Instruments,
    recv_ts: int,
    source: Source = Source.LIVE,
) -> Sequence[Record]:
    frame = decode(_frame, raw)
    if frame.error:
        raise RejectedMessage(
            f"the venue refused a request: {frame.error.code} {frame.error.message}"
        )
    if not frame.channel.startswith("futures."):
        raise RejectedMessage("neither liquidations nor the answer to a request")
    if frame.channel != _CHANNEL or frame.event != "update":
        return []
    context = Context(exchange, Completeness.THROTTLED, instruments, recv_ts, source)
    return build_records(_rows_of(frame.result), _read, context)


def _rows_of(result: msgspec.Raw) -> Sequence[msgspec.Raw]:
    return [result] if bytes(result).startswith(b"{") else split_rows(result)


def _read(raw: msgspec.Raw) -> Iterator[RawLiquidation]:
    row = decode(_row, raw)
    size = str(row.size)
    contracts = parse_positive(
        size.removeprefix("-"), "size"
    )  # first: what is no number has no sign
    yield RawLiquidation(
        symbol=row.contract,
        ts=convert_ms(_milliseconds(row)),
        side=Side.LONG if row.size < 0 else Side.SHORT,
        raw_side="-" if row.size < 0 else "+",
        price=parse_positive(str(row.price), "price"),
        price_kind=PriceKind.LIMIT,
        contracts=contracts,
        raw=(row.contract, str(_milliseconds(row)), size, str(row.price)),
    )


def _milliseconds(row: _Row) -> int:
    time = row.time if row.time_ms is None else row.time_ms
    return time * 1000 if time < _SECONDS else time


class _Contract(msgspec.Struct):
    name: str
    type: str
    quanto_multiplier: str


_contract = msgspec.json.Decoder(_Contract)


def _list(body: bytes, settled_in: str) -> tuple[list[Instrument], str]:
    return parse_listing(split_array(body), partial(_instrument, settled_in=settled_in)), ""


def _instrument(raw: msgspec.Raw, settled_in: str) -> Instrument:
    contract = decode(_contract, raw)
    base, _, quote = contract.name.partition("_")
    if contract.type == "inverse":
        return Instrument(contract.name, base, quote, inverse=True)
    if quote.lower() != settled_in:
        raise RejectedMessage(f"{contract.name} is quanto: settled in {settled_in}")
    multiplier = parse_positive(contract.quanto_multiplier, "quanto_multiplier")
    return Instrument(contract.name, base, quote, multiplier)


def _subscription(channel: str, *payload: str) -> str:
    # the documentation's own time, of 1970: only that of a signed request is checked
    request = {"time": 123456, "channel": channel, "event": "subscribe", "payload": payload}
    return encode_request(request)


def _venue(name: str, settle: str, control: str, not_covered: str) -> Venue:
    return Venue(
        name=name,
        url=f"wss://fx-ws.gateio.ws/v4/ws/{settle}",
        completeness=Completeness.THROTTLED,
        documentation="https://www.gate.com/docs/developers/futures/ws/en/#public-liquidates-order-api",
        parse=partial(_parse, name),
        not_covered=not_covered,
        subscribe=send_always(_subscription(_CHANNEL, "!all"), _subscription(_CONTROL, control)),
        headers={"X-Gate-Size-Decimal": "1"},
        listing=Listing(
            urls=(f"https://api.gateio.ws/api/v4/futures/{settle}/contracts",),
            parse=partial(_list, settled_in=settle),
        ),
    )


_DELIVERY = "delivery futures: the exchange does not publish their liquidations"
GATE = _venue("gate", "usdt", "BTC_USDT", _DELIVERY)
GATE_INVERSE = _venue(
    "gate_inverse", "btc", "BTC_USD", f"{_DELIVERY}; contracts on other coins settled in BTC"
)
