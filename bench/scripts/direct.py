"""Without Kafka: a websocket whose events go to QuestDB's line protocol, a request each.

It has liq's own feed and parser, so that only what follows differs. What QuestDB does not take is
lost with the process. ``python -m bench.scripts.direct URL`` with liq's settings.
"""

import asyncio
import sys

import httpx
import msgspec

from liq.config import Settings
from liq.ingest.feed import Feed
from liq.ingest.venues import find_venue
from liq.records.model import Record, Source
from liq.records.streams import LIQUIDATIONS

_BINANCE = find_venue("binance_usdm")
_KINDS = {name: kind for name, kind in LIQUIDATIONS.columns().items() if name != "ts"}
_FORMATS = {"TIMESTAMP": "{}t", "LONG": "{}i", "DOUBLE": "{!r}"}


async def main(url: str) -> None:
    """Write until killed."""
    settings = Settings.load()
    password = settings.questdb_admin_password.get_secret_value()
    auth = httpx.BasicAuth(settings.questdb_admin_user, password)
    address = f"http://{settings.questdb_host}:{settings.questdb_http_port}"
    async with httpx.AsyncClient(base_url=address, auth=auth, trust_env=False) as client:

        async def handle(raw: bytes, recv_ts: int, source: Source) -> None:
            for record in _BINANCE.parse(raw, {}, recv_ts, source):
                answer = await client.post(
                    "/write", content=line(LIQUIDATIONS.table(settings), record)
                )
                answer.raise_for_status()

        await Feed(_BINANCE, handle, url).run()


def line(table: str, record: Record) -> str:
    """Return a record as the line protocol has it; names of contracts need no escapes."""
    values = msgspec.to_builtins(record)
    tags = [f"{name}={values[name]}" for name, kind in _KINDS.items() if kind == "SYMBOL"]
    fields = [
        f"{name}={_FORMATS[kind].format(values[name])}"
        for name, kind in _KINDS.items()
        if kind in _FORMATS
    ]
    return f"{table},{','.join(tags)} {','.join(fields)} {record.ts * 1000}\n"


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
