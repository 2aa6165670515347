"""Liquidations, as a simulated venue sends them."""

import random
import time
from collections.abc import Iterator

from liq.records.model import Completeness, Liquidation, PriceKind, Side, Source


def events(count: int) -> Iterator[Liquidation]:
    """Yield ``count`` different ones, a millisecond apart, the last of them now."""
    start = time.time_ns() // 1000 - count * 1000
    rng = random.Random(1)  # noqa: S311 - no secret
    for number in range(count):
        yield _event(start + number * 1000, number, rng)


def _event(ts: int, number: int, rng: random.Random) -> Liquidation:
    base, price = rng.choice((("BTC", 97_250.0), ("ETH", 3_480.0), ("SOL", 188.0)))
    price = round(price * rng.uniform(0.98, 1.02), 2)
    quantity = round(rng.lognormvariate(0, 1.5), 3)
    return Liquidation(
        ts=ts,
        recv_ts=ts + 250,
        exchange="binance_usdm",
        symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        side=rng.choice((Side.LONG, Side.SHORT)),
        raw_side="SELL",
        price=price,
        price_kind=PriceKind.AVERAGE,
        quantity=quantity,
        notional=price * quantity,
        event_id=number,
        completeness=Completeness.THROTTLED,
        source=Source.SIMULATOR,
    )
