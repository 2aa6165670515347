"""An exchange that sends whoever comes the same frames, as fast as it can.

``python -m bench.scripts.exchange PORT FILE``, with a frame a line.
"""

import asyncio
import logging
import sys
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve


async def main(port: int, frames: list[str]) -> None:
    """Serve until killed."""
    logging.disable()  # of whoever only looks whether it listens

    async def send(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)
        await connection.wait_closed()

    async with serve(send, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]).read_text().splitlines()))
