"""Chaos: everything that can fail does, under load, and in the end every event is stored once.

``make chaos`` runs it for minutes; `test_chaos` for some seconds. A stack of its own carries a
simulated exchange's liquidations, which two redundant producers of the same venue receive. All the
while servers and producers are killed (SIGKILL) and connections cut, slowed down or half-opened,
alone and together; malformed messages come from the exchange and from a foreign program, events out
of order and doubled from another one.

What counts as **sent**: what the exchange wrote to at least one open connection (its ledger), and
what a publisher took. A frame in the buffers of a producer that is killed is known to nobody but
the exchange; with two producers the other one has it. So at most one of the two is disturbed at a
time, and the next time only once both are connected and have read what waited for them.
"""

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import psutil
import typer
from kafka import KafkaProducer
from rich.console import Console
from rich.table import Table

from liq import stack as local
from liq.config import Settings
from liq.delivery import connect
from liq.delivery.deadletters import Stage, list_letters
from liq.delivery.messaging import Publisher
from liq.errors import QuestDBError
from liq.query import questdb
from liq.records.model import Liquidation
from liq.records.streams import LIQUIDATIONS
from liq.stack import apps, control, health
from liq.stack.health import find_free_ports
from support.helpers import PATIENCE_S, eventually, running
from support.proxy import Proxy
from support.rows import liquidation

_FRONT = "127.0.0.2"  # where clients find Kafka: a proxy, in front of the broker on 127.0.0.1
_EVERY = 500  # good messages of the exchange between two malformed ones
_QUIET_S = 2.0
COLUMNS = ["symbol", "side", "notional", "ts"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard: equal seeds give equal faults in equal order."""

    seed: int
    seconds: int
    rate: int = 1_000


@dataclass(slots=True)
class Outcome:
    """What came of it; ``recoveries`` are seconds until new rows showed again, by fault."""

    sent: int = 0
    stored: int = 0
    duplicates: int = 0
    lost: int = 0
    foreign: int = 0  # rows that nobody sent
    bad: int = 0
    dead_letters: int = 0  # different ones
    strangers: int = 0  # dead letters that are not bad
    recoveries: list[tuple[str, float]] = field(default_factory=list)


class Feed:
    """One of the redundant producers, behind a proxy of its own; started again when it ends."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self.name = name
        self.proxy = Proxy(settings.simulator_port)
        self.deaths = 0
        self._ended = threading.Event()
        self._log = settings.home / "logs" / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep)

    def __enter__(self) -> "Feed":
        self.proxy.__enter__()
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._process:
            self._process.terminate()
        self._keeper.join()
        self.proxy.__exit__()

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def _keep(self) -> None:
        url = f"ws://127.0.0.1:{self.proxy.port}/market/ws/!forceOrder@arr"
        with self._log.open("ab") as log:
            while not self._ended.is_set():
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "liq", "produce", "--url", url],
                    env=os.environ | self._settings.environ(),
                    stdout=log,
                    stderr=log,
                )
                self._process.wait()
                self.deaths += 1
                self._ended.wait(0.5)


class Disorder:
    """Publishes events out of order, each twice, until it is ended."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self.sent = 0
        self._settings = settings
        self._random = random.Random(seed)  # noqa: S311 - a shuffle
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._publish()))

    def __enter__(self) -> "Disorder":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    async def _publish(self) -> None:
        start = datetime.now(UTC) - timedelta(days=3)
        publisher = Publisher(self._settings)
        await publisher.start()
        while not self._ended.is_set():
            moments = [start + timedelta(seconds=self.sent + n) for n in range(20)]
            batch: list[Liquidation] = [liquidation(at, 1.0, exchange="chaos") for at in moments]
            for event in self._random.sample(batch * 2, 40):
                await publisher.publish(event)
            self.sent += 20
            await asyncio.sleep(0.2)
        await publisher.close(timeout=PATIENCE_S)


class Ledger:
    """What the exchange has sent so far, read as it grows."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._text = ""
        self.entries: list[dict[str, object]] = []

    def read(self) -> "list[dict[str, object]]":
        if self._file.exists():
            with self._file.open() as file:
                file.seek(len(self._text))
                added = file.read()
            whole = added[: added.rfind("\n") + 1]
            self._text += whole
            self.entries += map(json.loads, whole.splitlines())
        return self.entries


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, and what ends it, if it does not end by itself."""

    name: str
    begin: Callable[[], object]
    end: Callable[[], object] | None = None


class Deck:
    """Draws each fault once before any again."""

    def __init__(self, faults: Sequence[Fault], generator: random.Random) -> None:
        self._faults = faults
        self._random = generator
        self._left: list[Fault] = []

    def draw(self) -> Fault:
        if not self._left:
            self._left = self._random.sample(self._faults, len(self._faults))
        return self._left.pop()


class Storm:
    """One run, on a stack below ``home``."""

    def __init__(self, plan: Plan, home: Path, report: Callable[[str], object]) -> None:
        self._plan = plan
        self._report = report
        self._random = random.Random(plan.seed)  # noqa: S311 - no secret
        self._total = plan.rate * plan.seconds
        self.settings = Settings.load(
            home=home, kafka_host=_FRONT, questdb_host=_FRONT, **find_free_ports()
        )
        self._ledger = Ledger(home / "ledger")
        self._corrupt: set[bytes] = set()
        self.outcome = Outcome()

    def run(self) -> Outcome:
        settings = self.settings
        broker, controller = settings.kafka_port, settings.kafka_controller_port
        with contextlib.ExitStack() as scope:
            self._kafka = scope.enter_context(Proxy(broker, _FRONT, broker))
            scope.enter_context(Proxy(controller, _FRONT, controller))
            for port in (settings.questdb_pg_port, settings.questdb_health_port):
                scope.enter_context(Proxy(port, _FRONT, port))
            http = settings.questdb_http_port
            self._questdb = scope.enter_context(Proxy(http, _FRONT, http))
            scope.callback(local.down, settings)
            local.up(settings)
            connect.ensure(settings)
            control.launch([apps.define_supervisor(settings)], settings)
            scope.enter_context(running(settings, "-m", "liq", "simulate", *self._load()))
            eventually(lambda: health.is_listening("127.0.0.1", settings.simulator_port))
            self._feeds = [scope.enter_context(Feed(settings, f"feed-{n}")) for n in (1, 2)]
            with Disorder(settings, self._plan.seed) as disorder:
                self._blow()
            self._verify(disorder.sent)
        return self.outcome

    def _load(self) -> list[str]:
        plan = self._plan
        words = {
            "--rate": plan.rate,
            "--seed": plan.seed,
            "--count": self._total,
            "--malformed-every": _EVERY,
            "--ledger": self.settings.home / "ledger",
        }
        return [str(word) for pair in words.items() for word in pair]

    # What fails.

    def _blow(self) -> None:
        servers = Deck(self._server_faults(), self._random)
        feeds = Deck(self._feed_faults(), self._random)
        everything = Fault(
            "kill kafka, questdb, connect", self._kill("kafka", "questdb", "connect")
        )
        self._await_rows_after(_now())
        pair = (everything, feeds.draw())
        while len(self._ledger.read()) < self._total:
            self._settle()
            self._spoil()
            self._strike(*pair)
            pair = (servers.draw(), feeds.draw())

    def _server_faults(self) -> list[Fault]:
        kills = (["kafka"], ["connect"], ["questdb"], ["kafka", "connect"], ["connect", "questdb"])
        return [
            *(Fault(f"kill {', '.join(names)}", self._kill(*names)) for names in kills),
            *_faults_of("kafka's connections", self._kafka),
            *_faults_of("connect to questdb", self._questdb),
        ]

    def _feed_faults(self) -> list[Fault]:
        return [
            fault
            for feed in self._feeds
            for fault in (
                Fault(f"kill {feed.name}", feed.kill),
                Fault(f"kill {feed.name}", feed.kill),
                *_faults_of(feed.name, feed.proxy),
            )
        ]

    def _kill(self, *names: str) -> Callable[[], None]:
        def kill() -> None:
            for service in local.status(self.settings):
                if service.name in names and service.pid:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        psutil.Process(service.pid).kill()

        return kill

    def _strike(self, *faults: Fault) -> None:
        began = time.monotonic()
        for fault in faults:
            fault.begin()
            time.sleep(self._random.uniform(0, 0.5))
        if any(fault.end for fault in faults):
            time.sleep(self._random.uniform(0.5, 3))
        for fault in faults:
            if fault.end:
                fault.end()
        name = " + ".join(fault.name for fault in faults)
        self._await_rows_after(_now())
        took = time.monotonic() - began
        self.outcome.recoveries.append((name, took))
        self._report(f"{len(self._ledger.read()):,} sent; {name}: recovered after {took:.1f} s")

    def _spoil(self) -> None:
        """Another program writes nonsense into the topic."""
        client = KafkaProducer(
            bootstrap_servers=self.settings.kafka_bootstrap, metrics_enabled=False
        )
        number = len(self._corrupt)
        nonsense = [f'{{"ts": {number}', f"chaos {number}", f'{{"ts": {_now()}, "odd": {number}}}']
        for text in nonsense:
            client.send(LIQUIDATIONS.topic(self.settings), text.encode()).get(timeout=PATIENCE_S)
        client.close()
        self._corrupt |= {text.encode() for text in nonsense}

    def _settle(self) -> None:
        """Wait until both feeds are connected and have read what was sent to them."""
        ports = {self.settings.simulator_port, *(feed.proxy.port for feed in self._feeds)}

        def settled() -> bool:
            return all(feed.proxy.connected for feed in self._feeds) and not _unread(ports)

        for _ in range(2):
            eventually(settled, deadline=600, every=0.5)  # a busy machine is behind
            time.sleep(_QUIET_S)

    def _await_rows_after(self, moment: int) -> None:
        """Wait until something the exchange sent after ``moment``, or its last, shows."""
        sql = (
            "SELECT cast(max(ts) AS LONG) AS newest"  # noqa: S608 - our own name
            f" FROM {LIQUIDATIONS.table(self.settings)} WHERE exchange = 'binance_usdm'"
        )

        def visible() -> bool:
            entries = self._ledger.read()
            target = int(str(entries[-1]["ts"])) if len(entries) >= self._total else moment + 1
            try:
                newest = questdb.fetch(sql, None, self.settings)["newest"].max()
            except QuestDBError as error:
                raise AssertionError from error
            assert not pd.isna(newest)
            return bool(newest >= target)

        eventually(visible, deadline=300, every=0.5)

    # What came of it.

    def _verify(self, disorder: int) -> None:
        outcome = self.outcome
        outcome.sent = len(self._ledger.read()) + disorder
        outcome.bad = self._total // _EVERY + len(self._corrupt)
        with contextlib.suppress(AssertionError):  # the figures show what is missing
            eventually(lambda: self._count() >= outcome.sent, every=0.5)
        sql = (
            "SELECT ts, exchange, symbol, side, notional, event_id"  # noqa: S608 - our own name
            f" FROM {LIQUIDATIONS.table(self.settings)}"
        )
        rows = questdb.fetch(sql, None, self.settings)
        outcome.stored = len(rows)
        keys = ["ts", "exchange", "symbol", "event_id"]
        outcome.duplicates = len(rows) - len(rows.drop_duplicates(keys))
        stored = _counted(rows[rows["exchange"] == "binance_usdm"])
        sent = pd.DataFrame(self._ledger.entries)
        sent["ts"] = pd.to_datetime(sent["ts"], unit="us", utc=True)
        difference = _counted(sent).sub(stored, fill_value=0)
        others = len(rows) - int(stored.sum())
        outcome.lost = int(difference.clip(lower=0).sum()) + max(0, disorder - others)
        outcome.foreign = int(-difference.clip(upper=0).sum()) + max(0, others - disorder)
        self._verify_letters()

    def _verify_letters(self) -> None:
        def found() -> tuple[set[bytes | None], set[bytes | None], int]:
            kept = list_letters(self.settings)
            frames = {one.value for one in kept if one.stage is Stage.PARSER}
            messages = {one.value for one in kept if one.stage is Stage.SINK}
            others = sum(one.stage in (Stage.PUBLISHER, Stage.UNKNOWN) for one in kept)
            return frames, messages, others

        with contextlib.suppress(AssertionError):
            eventually(lambda: sum(map(len, found()[:2])) >= self.outcome.bad, every=1)
        frames, messages, others = found()
        self.outcome.dead_letters = len(frames) + len(messages)
        self.outcome.strangers = others + len(messages - self._corrupt)

    def _count(self) -> int:
        sql = f"SELECT count() AS n FROM {LIQUIDATIONS.table(self.settings)}"  # noqa: S608 - our own name
        return int(questdb.fetch(sql, None, self.settings)["n"][0])


def _faults_of(name: str, proxy: Proxy) -> list[Fault]:
    def half_open() -> None:
        proxy.cut()  # the server learns nothing before the client comes again
        proxy.restore()

    return [
        Fault(f"cut {name}", proxy.cut, proxy.restore),
        Fault(f"slow {name}", lambda: proxy.delay(0.02), proxy.restore),
        Fault(f"stall {name}", proxy.stall, proxy.restore),
        Fault(f"half-open {name}", proxy.stall, half_open),
    ]


def _counted(rows: pd.DataFrame) -> "pd.Series[int]":
    frame = rows.astype({"symbol": str, "side": str, "ts": "datetime64[us, UTC]"})
    return frame.groupby(COLUMNS).size()


def _now() -> int:
    return time.time_ns() // 1000


def _unread(ports: set[int]) -> bool:
    """Whether the system holds bytes that a process at one of these ports has not read yet."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local_, remote, state, queues, *_ = line.split()
        ends = {int(end.rsplit(":")[1], 16) for end in (local_, remote)}
        if state == "01" and ends & ports and queues != "00000000:00000000":
            return True
    return False


def _report(plan: Plan, outcome: Outcome) -> Table:
    table = Table(title=f"chaos, seed {plan.seed}: {plan.rate:,} events/s", show_lines=False)
    table.add_column("what")
    table.add_column("figure", justify="right")
    for name in ("sent", "stored", "duplicates", "lost", "foreign", "bad", "dead_letters"):
        table.add_row(name.replace("_", " "), f"{getattr(outcome, name):,}")
    table.add_section()
    for name, seconds in outcome.recoveries:
        table.add_row(f"{name}: rows show again after", f"{seconds:.1f} s")
    return table


def main(seconds: int = 300, rate: int = 1_000, seed: int | None = None) -> None:
    """Let all parts fail for ``seconds``, and report the outcome."""
    plan = Plan(seed if seed is not None else random.randrange(10**6), seconds, rate)  # noqa: S311
    console = Console()
    console.print(f"seed {plan.seed}")
    with tempfile.TemporaryDirectory(prefix="liq-chaos-") as home:
        outcome = Storm(plan, Path(home), console.print).run()
    console.print(_report(plan, outcome))
    good = (outcome.sent, outcome.bad) == (outcome.stored, outcome.dead_letters)
    raise typer.Exit(not good or bool(outcome.duplicates + outcome.lost + outcome.strangers))


if __name__ == "__main__":
    typer.run(main)
