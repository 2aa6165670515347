"""A program that publishes until it is killed: ``python -m support.steady_publisher LEDGER FIRST``.

It writes down the number of each liquidation once the publisher has had a turn to keep it.
"""

import asyncio
import os
import sys

from liq.delivery.messaging import Publisher
from support.records import numbered


async def main(ledger: str, first: int) -> None:
    """Publish records from number ``first`` on, and write their numbers to ``ledger``."""
    publisher = Publisher()
    await publisher.start()
    file = os.open(ledger, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    number = first
    while True:
        for _ in range(10):
            await publisher.publish(numbered(number))
            number += 1
        await asyncio.sleep(0.005)
        os.write(file, b"".join(b"%d\n" % one for one in range(number - 10, number)))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
