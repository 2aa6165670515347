"""How many events a second the live path carries, and how fast a backlog drains."""

import asyncio
import random
import time

from bench.environment import count, liq, own_names, prepare, wait_until
from liq import connect, kafka, questdb, views
from liq.config import Settings
from liq.kafka import Publisher
from liq.model import Completeness, Liquidation, PriceKind, Side, Source


def live_path(stack: Settings, rate: int = 15_000, seconds: int = 20) -> dict[str, float]:
    """Return events/s from simulator to SQL while the simulator offers ``rate`` a second.

    ``lost`` counts events that were sent and are not stored, ``behind_s`` how long after the last
    one was due the last one was visible.
    """
    settings = own_names(stack)
    prepare(settings)
    total = rate * seconds
    url = f"ws://{settings.host}:{settings.simulator_port}/market/ws/!forceOrder@arr"
    with (
        liq(settings, "produce", "--url", url),
        liq(settings, "simulate", "--rate", str(rate), "--count", str(total)),
    ):
        wait_until(lambda: count(settings) > 0, timeout=60)
        begin = time.monotonic()
        _settle(settings, total, timeout=10 * seconds)
        took = time.monotonic() - begin
    stored = count(settings)
    return {
        "offered_per_s": rate,
        "carried_per_s": stored / took,
        "lost": total - stored,
        "behind_s": max(0.0, took - seconds),
    }


def drain(stack: Settings, rows: int = 1_000_000) -> dict[str, float]:
    """Return rows/s from the registration of the sink, ``rows`` queued, to the last one visible."""
    settings = own_names(stack)
    kafka.ensure_topics(settings)
    questdb.ensure_table(settings)
    views.ensure(settings)
    asyncio.run(_queue(settings, rows))
    connect.ensure(settings)
    begin = time.monotonic()
    _settle(settings, rows, timeout=300)
    return {"rows_per_s": count(settings) / (time.monotonic() - begin), "rows": rows}


def _settle(settings: Settings, total: int, timeout: float) -> None:
    try:
        wait_until(lambda: count(settings) >= total, timeout, every=0.05)
    except TimeoutError:
        return  # the caller reports what is missing


async def _queue(settings: Settings, rows: int) -> None:
    """Publish ``rows`` events of the last hours, as a simulated venue would name them."""
    publisher = Publisher(settings)
    await publisher.start()
    start = time.time_ns() // 1000 - rows * 1000
    rng = random.Random(1)  # noqa: S311 - no secret
    for number in range(rows):
        await publisher.publish(_event(start + number * 1000, number, rng))
    await publisher.close(timeout=120)


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
