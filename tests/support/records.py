"""Records to send, by number."""

from liq.records.model import Completeness, Liquidation, PriceKind, Side, Source


def numbered(number: int, symbol: str = "BTCUSDT") -> Liquidation:
    """Return a liquidation that no other number has."""
    return Liquidation(
        ts=1_700_000_000_000_000 + number,
        recv_ts=1_700_000_000_000_001 + number,
        exchange="binance_usdm",
        symbol=symbol,
        base="BTC",
        quote="USDT",
        side=Side.LONG,
        raw_side="SELL",
        price=1.5,
        price_kind=PriceKind.AVERAGE,
        quantity=2.0,
        notional=3.0,
        event_id=number,
        completeness=Completeness.THROTTLED,
        source=Source.SIMULATOR,
    )
