"""Events a second that come from a program into Kafka, acknowledged by the broker."""

import asyncio
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import confluent_kafka
from cryptofeed.backends.kafka import LiquidationsKafka
from cryptofeed.types import Liquidation as Theirs
from kafka import KafkaProducer

from bench.compare import Figure, Figures, Row
from bench.environment import own_names
from bench.events import events
from bench.sizes import Sizes
from liq.config import Settings
from liq.delivery import messaging
from liq.delivery.messaging import Publisher
from liq.records.model import Liquidation, encode
from liq.records.streams import LIQUIDATIONS

Send = Callable[[Settings, Sequence[Liquidation]], None]
_PATIENCE_S = 120


def publishing(stack: Settings, sizes: Sizes) -> list[Row]:
    """Compare liq's `Publisher` with bare clients, and with cryptofeed's backend."""
    settings = own_names(stack)
    messaging.ensure_topics(settings)
    many = list(events(sizes.produced))
    few = many[: sizes.produced_one_by_one]

    def measure(send: Send, sent: Sequence[Liquidation]) -> Figures:
        before = _held(settings)
        begin, busy = time.perf_counter(), time.process_time()
        send(settings, sent)
        took, busy = time.perf_counter() - begin, time.process_time() - busy
        more = _held(settings) - before - len(sent)
        return {
            "rate": len(sent) / took,
            "cpu": 1e6 * busy / len(sent),
            "lost": max(0, -more),
            "doubled": max(0, more),
        }

    contenders: Mapping[str, Callable[[], Figures]] = {
        "liq": lambda: measure(publish, many),
        "liq, without its journal": lambda: measure(publish_from_memory, many),
        "kafka-python": lambda: measure(send_by_kafka_python, many),
        "confluent-kafka": lambda: measure(send, many),
        "cryptofeed's Kafka backend": lambda: measure(send_by_cryptofeed, few),
    }
    row = Row(
        key="producer",
        title="Events/s from a program into Kafka",
        figures=(Figure("rate", "events/s", more_is_better=True), Figure("cpu", "us/event")),
        contenders=contenders,
        note=f"{sizes.produced:,} events, encoded and sent until all are acknowledged, connecting"
        f" included; {sizes.produced_one_by_one:,} by cryptofeed.",
    )
    return [row]


def publish(settings: Settings, sent: Iterable[Liquidation]) -> None:
    """Send by liq: checked against the schema, on disk until acknowledged."""
    asyncio.run(_publish(settings, sent))


def publish_from_memory(settings: Settings, sent: Iterable[Liquidation]) -> None:
    """Send by liq without its journal."""
    publish(settings.model_copy(update={"buffer_mb": 0}), sent)


def send_by_kafka_python(settings: Settings, sent: Iterable[Liquidation]) -> None:
    """Send by what liq's publisher is built on."""
    producer = KafkaProducer(**messaging.client_options(settings))
    for event in sent:
        producer.send(LIQUIDATIONS.topic(settings), encode(event), LIQUIDATIONS.message_key(event))
    producer.flush()
    producer.close()


def send(settings: Settings, sent: Iterable[Liquidation]) -> None:
    """Send by confluent-kafka, i.e. librdkafka; idempotent, as kafka-python is."""
    brokers = settings.kafka_bootstrap
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 5}
    )
    for event in sent:
        value, name = encode(event), LIQUIDATIONS.message_key(event)
        while True:
            try:
                producer.produce(LIQUIDATIONS.topic(settings), value, name)
            except BufferError:  # its queue is full
                producer.poll(0.01)
            else:
                break
        producer.poll(0)
    if producer.flush(_PATIENCE_S):
        raise TimeoutError(f"not acknowledged within {_PATIENCE_S} s")


def send_by_cryptofeed(settings: Settings, sent: Iterable[Liquidation]) -> None:
    """Send by cryptofeed's backend of aiokafka, as its feeds do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it gives aiokafka a loop, which that wants no more
        asyncio.run(_send_by_cryptofeed(settings, [_theirs(event) for event in sent]))


async def _publish(settings: Settings, sent: Iterable[Liquidation]) -> None:
    publisher = Publisher(settings)
    await publisher.start()
    for event in sent:
        await publisher.publish(event)
    await publisher.close(_PATIENCE_S)


class _Backend(LiquidationsKafka):  # type: ignore[misc] # cryptofeed ships no types
    """Into one topic of ours; by default it has one for each contract."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(bootstrap_servers=settings.kafka_bootstrap)
        self.into = LIQUIDATIONS.topic(settings)

    def topic(self, data: dict[str, object]) -> str:  # noqa: ARG002 - its signature
        return self.into


async def _send_by_cryptofeed(settings: Settings, sent: Sequence[Theirs]) -> None:
    backend = _Backend(settings)
    async with asyncio.timeout(_PATIENCE_S), asyncio.TaskGroup() as tasks:
        if hasattr(backend, "start_writer"):  # version 3
            backend.start_writer(tasks, "liquidations")
        else:
            backend.start(asyncio.get_running_loop())
        for event in sent:
            await backend(event, time.time())
        await _written(backend, len(sent))
        await backend.stop()
        await backend.worker


async def _written(backend: _Backend, count: int) -> None:
    if hasattr(backend, "stats"):  # version 3
        while backend.stats.written < count:  # noqa: ASYNC110 - it has no event of that
            await asyncio.sleep(0.01)
    else:
        await backend.queue.join()


def _theirs(event: Liquidation) -> Theirs:
    side = "sell" if event.side == "long" else "buy"
    size, price = Decimal(str(event.quantity)), Decimal(str(event.price))
    symbol = f"{event.base}-{event.quote}-PERP"
    return Theirs("BINANCE_FUTURES", symbol, side, size, price, "", "filled", event.ts / 1e6)


def _held(settings: Settings) -> int:
    held = messaging.read_offsets(
        {LIQUIDATIONS.topic(settings): LIQUIDATIONS.connector(settings)}, settings
    )
    return sum(partition.end for partition in held)
