"""A program that publishes until it is killed: ``python steady_publisher.py LEDGER FIRST``.

It writes down the number of each liquidation once the publisher has had a turn to keep it.
"""

import asyncio
import os
import sys

from liq.kafka import Publisher
from liq.model import Completeness, Liquidation, PriceKind, Side, Source


def liquidation(number: int) -> Liquidation:
    return Liquidation(
        ts=1_700_000_000_000_000 + number,
        recv_ts=1_700_000_000_000_001 + number,
        exchange="binance_usdm",
        symbol="BTCUSDT",
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


async def main(ledger: str, first: int) -> None:
    publisher = Publisher()
    await publisher.start()
    file = os.open(ledger, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    number = first
    while True:
        for _ in range(10):
            await publisher.publish(liquidation(number))
            number += 1
        await asyncio.sleep(0.005)
        os.write(file, b"".join(b"%d\n" % one for one in range(number - 10, number)))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
