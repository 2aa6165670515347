"""A program that asks and publishes, and forks in every way while its threads go on with it.

It prints what went wrong, as a JSON list of texts; `test_forks` runs it on several Pythons. The
table of its settings has `ROWS` prints, of 1 to that many USD, in the two hours before `UNTIL`.
"""

import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import liq
from liq import config
from liq.common import http
from liq.delivery import messaging
from liq.delivery.messaging import Publisher
from liq.errors import KafkaError
from liq.query import questdb
from liq.query.exports import read_stamp
from liq.records.streams import LIQUIDATIONS
from liq.stack.process import lock
from support.records import numbered

ROWS = 50
UNTIL = "2026-01-01T11:00:00Z"
CHILDREN = 4
ASKS = 20
PUBLISHED = 25  # by each child
PARENTS = 10_000_000  # the number of the parent's first record

settings = config.settings()
admin = (settings.questdb_admin_user, settings.questdb_admin_password.get_secret_value())
client = http.Client(60, auth=admin, trust_env=False)
publisher = Publisher(settings)


def totals(number: int) -> bool:
    """Whether a catalogue query gives the totals of ``number``."""
    frame = liq.hit("totals", window="2h", until=UNTIL, min_notional=number % ROWS + 1)
    return int(frame["prints"].item()) == ROWS - number % ROWS


def fetch(number: int) -> bool:
    """Whether QuestDB answers SQL with ``number``."""
    return int(questdb.fetch("SELECT %(n)s::long AS n", {"n": number})["n"].item()) == number


def get(number: int) -> bool:
    """Whether QuestDB answers HTTP with ``number``."""
    answer = client.get(f"{settings.questdb_url}/exec", params={"query": f"SELECT {number}"})
    return bool(answer.json()["dataset"] == [[number]])


KINDS: list[Callable[[int], bool]] = [totals, fetch, get]


def work(first: int) -> list[str]:
    """Ask `ASKS` questions; return each wrong answer, and each question without one."""
    faults = []
    for number in range(first, first + ASKS):
        kind = KINDS[number % len(KINDS)]
        try:
            if not kind(number):
                faults.append(f"{kind.__name__}({number}) got another's answer")
        except Exception:
            faults.append(f"{kind.__name__}({number}): {traceback.format_exc()}")
    return faults


def export(first: int) -> list[str]:
    """Return a complaint if an exported file carries another stamp."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "totals.parquet")
        stamp = liq.export("totals", path, window="2h", until=UNTIL)
        return [] if read_stamp(path) == stamp else [f"export {first} carries another stamp"]


def deliver(first: int) -> list[str]:
    """Publish as a child does: what it took over is refused, its own delivers."""
    faults = []
    try:
        asyncio.run(publisher.publish(numbered(first)))
        faults.append("the parent's publisher took a record that nobody will send")
    except KafkaError as error:
        if "start one in this process" not in str(error):
            faults.append(f"unclear: {error}")
    asyncio.run(publish(first))
    found = {record.key for record in messaging.read(LIQUIDATIONS.topic(settings), settings)}
    return faults if found == {b"binance_usdm:BTCUSDT"} else [*faults, f"read {found}"]


async def publish(first: int) -> None:
    """Publish a child's own records."""
    async with Publisher(settings) as own:
        for number in range(first, first + PUBLISHED):
            await own.publish(numbered(number))


def in_fork(act: Callable[[], list[str]]) -> list[str]:
    """Return what ``act`` gives in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            faults = act()
        except BaseException:
            faults = [traceback.format_exc()]
        with os.fdopen(writing, "w") as pipe:
            json.dump(faults, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return list(json.loads(text)) if text else ["the child said nothing"]


def as_child(first: int) -> list[str]:
    """Return the faults of all that a child does."""
    return [*work(first), *export(first), *deliver(first)]


def in_executor() -> list[str]:
    """Return the faults of children of a `ProcessPoolExecutor`."""
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(CHILDREN, mp_context=context) as pool:
        found = pool.map(as_child, range(1000, 1000 * CHILDREN + 1, 1000))
        return [fault for faults in found for fault in faults]


def in_pool() -> list[str]:
    """Return the faults of children of a `multiprocessing` pool."""
    with multiprocessing.get_context("fork").Pool(CHILDREN) as pool:
        found = pool.map(as_child, range(11_000, 10_000 + 1000 * CHILDREN + 1, 1000), 1)
        return [fault for faults in found for fault in faults]


def in_bare_forks() -> list[str]:
    """Return the faults of children that threads fork."""
    faults: list[str] = []
    threads = [
        threading.Thread(target=lambda first=first: faults.extend(in_fork(lambda: as_child(first))))
        for first in range(21_000, 20_000 + 1000 * CHILDREN + 1, 1000)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return faults


def in_fork_of_fork() -> list[str]:
    """Return the faults of a child and of its child."""

    def child() -> list[str]:
        return [*as_child(31_000), *in_fork(lambda: as_child(32_000)), *work(33_000)]

    return in_fork(child)


def with_locks_held() -> list[str]:
    """Fork while another thread holds what can be held: no child waits, or keeps it held."""
    file, held, over = settings.home / "run" / "forked.lock", threading.Event(), threading.Event()

    def hold() -> None:
        with lock(file), questdb._pool._lock:
            held.set()
            over.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        faults = work(41_000)
        os.write(writing, json.dumps(faults).encode()[:60_000])
        os.close(writing)
        over.wait(60)  # it goes on living, and must not keep the lock
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        faults = json.load(pipe)
    over.set()
    holder.join()
    try:
        with lock(file, seconds=1):
            pass
    except Exception as error:
        faults.append(f"a child keeps a lock of its parent: {error}")
    os.kill(child, 9)
    os.waitpid(child, 0)
    return list(faults)


class Busy:
    """Threads that ask and publish until the end is signalled."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.sent = 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(100_000 * n,)) for n in (1, 2)]
        self._threads.append(threading.Thread(target=lambda: asyncio.run(self._publish())))
        for each in self._threads:
            each.start()
        while self.sent < 10 and self._threads[-1].is_alive():
            self._over.wait(0.01)

    def end(self) -> None:
        """Stop asking and publishing, and wait for the threads."""
        self._over.set()
        for each in self._threads:
            each.join()

    def _ask(self, first: int) -> None:
        while not self._over.wait(0.2):  # the children have the processor too
            self.faults += [f"parent: {fault}" for fault in work(first)]

    async def _publish(self) -> None:
        async with publisher:
            while not self._over.is_set():
                await publisher.publish(numbered(PARENTS + self.sent))
                self.sent += 1
                await asyncio.sleep(0.001)


def undelivered(sent: int) -> list[str]:
    """Return a complaint about the records of parent and children that the topic lacks."""
    found = {
        json.loads(one.value or b"")["event_id"]
        for one in messaging.read(LIQUIDATIONS.topic(settings), settings)
    }
    missing = set(range(PARENTS, PARENTS + sent)) - found
    for child in (*range(1, 5), *range(11, 15), *range(21, 25), 31, 32):
        missing |= set(range(1000 * child, 1000 * child + PUBLISHED)) - found
    return [f"{len(missing)} records were not delivered: {sorted(missing)[:10]}"] if missing else []


def main() -> None:
    """Print the faults of all ways to fork, as JSON."""
    work(0)  # so that there are connections to take over
    busy = Busy()
    ways = in_executor, in_pool, in_bare_forks, in_fork_of_fork, with_locks_held
    faults = [f"{way.__name__}: {fault}" for way in ways for fault in way()]
    busy.end()
    json.dump([*faults, *busy.faults, *undelivered(busy.sent)], sys.stdout)


if __name__ == "__main__":
    main()
