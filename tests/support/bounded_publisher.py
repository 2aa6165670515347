"""A program that publishes liquidations of forty contracts.

``python -m support.bounded_publisher FIRST COUNT``

It takes a second for about two thousand.
"""

import asyncio
import sys

from liq.delivery.messaging import Publisher
from support.records import numbered


async def main(first: int, count: int) -> None:
    """Publish ``count`` records from number ``first`` on."""
    async with Publisher() as publisher:
        for number in range(first, first + count):
            await publisher.publish(numbered(number, f"C{number % 40}USDT"))
            if number % 10 == 0:
                await asyncio.sleep(0.005)


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
