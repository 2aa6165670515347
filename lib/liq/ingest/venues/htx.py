"""HTX swaps and futures: ``liquidation_orders``, the liquidation orders of all contracts, gzipped.

Source: https://www.htx.com/en-us/opend/newApiPages/?id=8cb7e25d-77b5-11ed-9966-0242ac110003 (USDT),
``id=5d51592a-77b6-11ed-9966-0242ac110003`` (coin-margined swaps) and
``id=28c34bd5-77ae-11ed-9966-0242ac110003`` (coin-margined delivery futures).
Binary frames, each a gzip of JSON (a recording may hold the JSON itself)::

    {"op": "notify", "topic": "public.BTC-USDT.liquidation_orders", "ts": 1608226502344, "data": [{
        "contract_code": "BTC-USDT", "symbol": "BTC",
        "direction": "sell",           side of the closing order: sell closes a long
        "offset": "close",
        "volume": 227,                 contracts of contract_size base (linear) or USD (inverse)
        "amount": 0.227,               the same in base
        "trade_turnover": 5300.5635,   the same in quote (linear only)
        "price": 23350.5,              bankruptcy price, in quote per base
        "created_at": 1608226502284    time, milliseconds
    }]}

Three endpoints, a feed each. The USDT-margined one has swaps alone unless ``business_type`` is
"all", which adds the delivery futures. For coin-margined delivery futures the documentation has
topics of one coin only, so each coin is subscribed to; a second subscription is answered with the
error 2014, which is no fault.

Traps: frames are gzip on top of the websocket's own compression. Units of the same names differ
between HTX's API versions (in REST v5 ``amount`` counts contracts): where there is a turnover, it
must agree with volume, contract size and price, or the order is rejected. The documentation says
"Long or short" of ``direction``, whose values are buy and sell; with ``offset`` close a sell can
only end a long. Nothing names an order: two alike in all fields are two within a frame, one in two.

The server sends a ping every 5 s, which must be answered; it shows a living connection too.
"""

from collections.abc import Callable, Iterator, Sequence
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
    read_side,
    split_array,
    split_rows,
    unpack,
)
from liq.records.model import Completeness, PriceKind, Record, Side, Source

_SIDES = {"sell": Side.LONG, "buy": Side.SHORT}
_TOPIC = ".liquidation_orders"
_SILENT = ("ping", "sub", "close")  # the feed counts the loss of the connection after a close
_ALL = "*"
_REPEATED = 2014  # the error of a subscription that the connection has already
_LONGEST_PING = 1_000  # bytes: no more of a frame is inflated to see whether it is a ping


class _Row(msgspec.Struct, gc=False):
    contract_code: str
    direction: str
    offset: str
    volume: Number
    price: Number
    created_at: int
    amount: Number | None = None
    trade_turnover: Number | None = None


class _Frame(msgspec.Struct):
    """A push (``notify``), the answer to a request (``sub``) or a ``ping``."""

    op: str = ""
    topic: str = ""
    ts: int | str = 0
    data: msgspec.Raw = msgspec.Raw()
    error: int = msgspec.field(name="err-code", default=0)
    reason: str = msgspec.field(name="err-msg", default="")


_frame = msgspec.json.Decoder(_Frame)
_row = make_decoder(_Row)


def _parse(
    exchange: str,
    raw: str | bytes,
    instruments: Instruments,
    recv_ts: int,
    source: Source = Source.LIVE,
) -> Sequence[Record]:
    frame = decode(_frame, unpack(raw))
    if frame.op == "sub" and frame.error == _REPEATED:
        return []
    if frame.error or frame.op == "error":
        raise RejectedMessage(f"the venue refused a request: {frame.error} {frame.reason}")
    if frame.op in _SILENT:
        return []
    if frame.op != "notify" or not frame.topic.endswith(_TOPIC):
        raise RejectedMessage("neither liquidations nor the answer to a request")
    context = Context(exchange, Completeness.FULL, instruments, recv_ts, source)
    return build_records(split_rows(frame.data), _read, context)


def _read(raw: msgspec.Raw) -> Iterator[RawLiquidation]:
    row = decode(_row, raw)
    yield RawLiquidation(
        symbol=row.contract_code,
        ts=convert_ms(row.created_at),
        side=read_side(_SIDES, row.direction),
        raw_side=row.direction,
        price=parse_positive(str(row.price), "price"),
        price_kind=PriceKind.BANKRUPTCY,
        contracts=parse_positive(str(row.volume), "volume"),
        raw=tuple(str(value) for value in msgspec.structs.astuple(row)),
        stated=None if row.trade_turnover is None else float(row.trade_turnover),
    )


def reply(raw: str | bytes) -> str | None:
    """Answer HTX's ping, without which it closes the connection."""
    if len(raw) > _LONGEST_PING:
        return None
    try:
        frame = decode(_frame, unpack(raw, _LONGEST_PING))
    except RejectedMessage:
        return None
    if frame.op != "ping":
        return None
    return encode_request({"op": "pong", "ts": frame.ts})


def _request(coin: str, **kinds: str) -> str:
    request = {"op": "sub", "cid": "liq", "topic": f"public.{coin}{_TOPIC}", **kinds}
    return encode_request(request)


def _subscribe_to_coins(instruments: Instruments) -> Sequence[str]:
    return [_request(coin) for coin in dict.fromkeys(one.base for one in instruments.values())]


class _Contract(msgspec.Struct):
    contract_code: str
    symbol: str
    contract_size: float


class _Page(msgspec.Struct):
    data: msgspec.Raw


_page = msgspec.json.Decoder(_Page)
_contract = msgspec.json.Decoder(_Contract)


def _list(body: bytes, *, inverse: bool) -> tuple[list[Instrument], str]:
    return parse_listing(
        split_array(decode(_page, body).data), partial(_instrument, inverse=inverse)
    ), ""


def _instrument(raw: msgspec.Raw, *, inverse: bool) -> Instrument:
    contract = decode(_contract, raw)
    pair = contract.contract_code.removeprefix(f"{contract.symbol}-")
    # BTC-USDT, BTC-USDT-261225, BTC-USD; BTC261225 is in dollars too
    quote = pair.partition("-")[0] if pair != contract.contract_code else "USD"
    return Instrument(
        contract.contract_code, contract.symbol, quote, contract.contract_size, inverse=inverse
    )


def _venue(
    name: str,
    endpoint: str,
    page: str,
    subscribe: Callable[[Instruments], Sequence[str]],
    listing: str,
    *,
    inverse: bool = True,
) -> Venue:
    return Venue(
        name=name,
        url=f"wss://api.hbdm.com/{endpoint}",
        completeness=Completeness.FULL,
        documentation=f"https://www.htx.com/en-us/opend/newApiPages/?id={page}",
        parse=partial(_parse, name),
        subscribe=subscribe,
        reply=reply,
        silence=30,
        listing=Listing(
            urls=(f"https://api.hbdm.com/{listing}",), parse=partial(_list, inverse=inverse)
        ),
    )


HTX = _venue(
    "htx",
    "linear-swap-notification",
    "8cb7e25d-77b5-11ed-9966-0242ac110003",
    send_always(_request(_ALL, business_type="all")),
    "linear-swap-api/v1/swap_contract_info?business_type=all",
    inverse=False,
)
HTX_INVERSE = _venue(
    "htx_inverse",
    "swap-notification",
    "5d51592a-77b6-11ed-9966-0242ac110003",
    send_always(_request(_ALL)),
    "swap-api/v1/swap_contract_info",
)
HTX_DELIVERY = _venue(
    "htx_delivery",
    "notification",
    "28c34bd5-77ae-11ed-9966-0242ac110003",
    _subscribe_to_coins,
    "api/v1/contract_contract_info",
)
