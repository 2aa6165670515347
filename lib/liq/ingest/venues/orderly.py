"""Orderly Network perpetuals: ``liquidated_positions``, every transfer of a liquidated position.

Source: https://orderly.network/docs/build-on-omnichain/restful-api/public/get-liquidated-positions-info
The venue sells no position in its market: liquidators take them over at a transfer price. Its REST
API lists the transfers of a time range, those of one account in a row::

    {"success": true, "timestamp": 1702989203989, "data": {
      "meta": {"total": 9, "records_per_page": 25, "current_page": 1}, "rows": [{
        "timestamp": 1663313562090,              time, milliseconds
        "liquidation_id": 101,
        "type": "liquidated",                    or "claim": sold on by the insurance fund
        "positions_by_perp": [{
            "symbol": "PERP_BTC_USDC",           contract
            "seq": 1730181536341943600,          number of the transfer
            "position_qty": 0.00017,             base, below zero for a short
            "transfer_price": 123545.8,          price of the transfer, in quote per base
            "cost_position_transfer": 21.002786  the venue's own notional, signed alike
        }]}]}}

The sign is that of the position which the liquidator gets, so of the liquidated one. The
documentation of claims has it: of a ``position_qty`` above zero a liquidator may refuse a mark
price above a limit. Transfers of 2026-09 that others recorded have signs of both kinds.

Traps: the websocket topic ``liquidation`` is no feed of liquidations. It lists the positions that
liquidators may claim now, without a price, again after each change, and does not say whether one
was transferred. So the REST API is polled. A row of a position that nobody took has a quantity of
zero; it is skipped and counted, as are claims from the insurance fund, which repeat a liquidation.

Each request has the last hour, so a shorter disconnection loses nothing. The venue allows 10
requests a second of an IP. A frame is the array of the rows that are new since the request before.
"""

from collections.abc import Iterator, Sequence

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
    Instrument,
    Instruments,
    Listing,
    Poll,
    SkipReason,
    Venue,
    convert_ms,
    parse_positive,
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

_RANGE_MS = 3_600_000
_AHEAD_MS = 60_000  # by which the venue's clock may be ahead of ours
_PAGE = 100  # rows


class _Leg(msgspec.Struct, gc=False):
    symbol: str
    position_qty: Number
    transfer_price: Number
    cost_position_transfer: Number
    seq: int = 0


class _Row(msgspec.Struct):
    liquidation_id: int
    timestamp: int
    positions_by_perp: list[msgspec.Raw]
    type: str = "liquidated"


class _Data(msgspec.Struct):
    rows: msgspec.Raw


class _Answer(msgspec.Struct):
    data: _Data


_answer = msgspec.json.Decoder(_Answer)
_row = msgspec.json.Decoder(_Row)
_leg = make_decoder(_Leg)


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> Sequence[Record]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    context = Context(ORDERLY.name, Completeness.FULL, instruments, recv_ts, source)
    rows = split_rows(msgspec.Raw(raw))
    return build_records(_split_legs(rows), lambda pair: _read(*pair), context)


def _split_legs(
    rows: Sequence[msgspec.Raw],
) -> Iterator[tuple[_Row, msgspec.Raw] | RejectedMessage]:
    """Yield each position with its row, and the fault of a row that is invalid."""
    for raw in rows:
        try:
            row = decode(_row, raw)
        except RejectedMessage as error:
            yield error
            continue
        for leg in row.positions_by_perp:
            yield row, leg


def _read(row: _Row, raw: msgspec.Raw) -> Iterator[RawLiquidation | SkipReason]:
    leg = decode(_leg, raw)
    if row.type == "claim":
        yield SkipReason.FOLLOW_UP
        return
    if row.type != "liquidated":
        raise RejectedMessage(f"unknown type {row.type!r} of a liquidation")
    size = str(leg.position_qty).removeprefix("-")
    if leg.position_qty.is_zero():
        yield SkipReason.UNFILLED
        return
    contracts = parse_positive(size, "position_qty")  # first: what is no number has no sign
    is_long = leg.position_qty > 0
    yield RawLiquidation(
        symbol=leg.symbol,
        ts=convert_ms(row.timestamp),
        side=Side.LONG if is_long else Side.SHORT,
        raw_side="+" if is_long else "-",
        price=parse_positive(str(leg.transfer_price), "transfer_price"),
        price_kind=PriceKind.AVERAGE,
        contracts=contracts,
        raw=(str(row.liquidation_id), leg.symbol, str(leg.seq)),
        stated=parse_positive(
            str(leg.cost_position_transfer).removeprefix("-"), "cost_position_transfer"
        ),
    )


def _query(now_ms: int, page: int) -> str:
    start, end = now_ms - _RANGE_MS, now_ms + _AHEAD_MS
    return f"?start_t={start}&end_t={end}&page={page}&size={_PAGE}"


def _split(answer: bytes) -> Sequence[bytes]:
    return [bytes(row) for row in split_array(decode(_answer, answer).data.rows)]


class _Contract(msgspec.Struct):
    symbol: str


_contract = msgspec.json.Decoder(_Contract)


def _list(body: bytes) -> tuple[list[Instrument], str]:
    return parse_listing(split_array(decode(_answer, body).data.rows), _instrument), ""


def _instrument(raw: msgspec.Raw) -> Instrument:
    symbol = decode(_contract, raw).symbol
    kind, _, rest = symbol.partition("_")
    base, _, quote = rest.rpartition("_")
    if kind != "PERP" or not base:
        raise RejectedMessage(f"{symbol} is no perpetual")
    return Instrument(symbol, base, quote)


ORDERLY = Venue(
    name="orderly",
    url="https://api.orderly.org/v1/public/liquidated_positions",
    completeness=Completeness.FULL,
    documentation="https://orderly.network/docs/build-on-omnichain/restful-api/public/get-liquidated-positions-info",
    parse=parse,
    poll=Poll(seconds=2, query=_query, split=_split),
    listing=Listing(urls=("https://api.orderly.org/v1/public/info",), parse=_list),
)
