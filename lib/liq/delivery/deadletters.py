"""Dead letters: messages that could not become rows, the reason, and how to redrive them.

Three stages send messages to one topic. The ``parser`` rejects an exchange's raw frame. The
``publisher`` rejects a record that breaks the schema of its topic. The ``sink`` rejects a message
that is no row. `redrive` repeats that stage: a frame goes through today's parser, as of its own
time of receipt; a record goes through today's schema.

Dead letters are not deleted. Once Kafka has acknowledged the redriven records, a message in the
same topic lists the redriven letters. If a redrive is killed before, some letters are redriven
twice, and the dedup keys of the tables drop the copies.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import msgspec

from liq.config import Settings, choose_settings
from liq.delivery.messaging import Publisher, StoredMessage, read
from liq.errors import DeadLetterError, LiqError, RejectedMessage
from liq.ingest.instruments import limit_records, load
from liq.ingest.venues import find_venue
from liq.ingest.venues.base import Instruments, is_whole, parse_safely
from liq.records import model
from liq.records.model import Source, encode
from liq.records.streams import STREAMS, find_stream

_NOTE = "redriven"  # the header of a message that lists letters
_CONNECT = "__connect.errors."
_TOGETHER = 500  # letters between two notes

_ids = msgspec.json.Decoder(list[str])


class Stage(StrEnum):
    """The stage that rejected a message; ``unknown`` for letters of other programs."""

    PARSER = "parser"
    PUBLISHER = "publisher"
    SINK = "sink"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter.

    ``id`` is its place in the topic, ``time`` when it was rejected (microseconds, UTC). ``venue``
    is the venue of the message, "" if another program gave no key. ``topic`` is the topic that a
    record was meant for; a frame has ``recv_ts`` (microseconds, UTC) and ``source`` instead.
    """

    id: str
    time: int
    stage: Stage
    venue: str
    reason: str
    value: bytes | None
    key: bytes | None = None
    topic: str = ""
    recv_ts: int | None = None
    source: Source | None = None
    redriven: bool = False


def list_letters(
    settings: Settings | None = None,
    *,
    reason: str = "",
    venue: str = "",
    stage: Stage | None = None,
    redriven: bool = False,
    newest: int | None = None,
) -> list[Letter]:
    """Return dead letters, oldest first; those redriven already only when asked for.

    ``reason`` is a part of the letters' reason, in any case. ``newest`` limits how many messages
    are read, from the topic's end, since the topic keeps them for ever. Raises `KafkaError`.
    """
    settings = choose_settings(settings)
    records = list(read(settings.dlq_topic, settings, newest))
    done = {one for record in records if _NOTE in record.headers for one in _listed(record)}
    found = (_letter(record, done) for record in records if _NOTE not in record.headers)
    return [
        letter
        for letter in found
        if (redriven or not letter.redriven)
        and reason.casefold() in letter.reason.casefold()
        and venue in ("", letter.venue)
        and stage in (None, letter.stage)
    ]


def find_letter(id: str, settings: Settings | None = None) -> Letter:  # noqa: A002 - what it is called
    """Return one dead letter. Raises `DeadLetterError` where there is none, `KafkaError`."""
    found = [one for one in list_letters(settings, redriven=True) if one.id == id]
    if not found:
        raise DeadLetterError(f"there is no dead letter {id!r}; `liq dlq ls --all` lists them")
    return found[0]


@dataclass(slots=True)
class Redriven:
    """How far `redrive` is.

    ``letters`` of ``total`` are processed, of which ``failed`` failed again, for the reason given.
    The others became ``records`` for the topics.
    """

    total: int
    letters: int = 0
    records: int = 0
    failed: list[tuple[Letter, str]] = field(default_factory=list)


async def redrive(
    chosen: Sequence[Letter],
    settings: Settings | None = None,
    show: Callable[[Redriven], object] = lambda _: None,
    *,
    dry_run: bool = False,
) -> Redriven:
    """Redrive the ``chosen`` letters; letters that fail again stay as they are.

    ``dry_run`` publishes nothing and only reports the outcome. ``show`` is called after each
    letter. Raises `KafkaError`; letters not listed as redriven by then are redriven the next time.
    """
    settings = choose_settings(settings)
    work = _Redrive(settings, Redriven(len(chosen)), show)
    if dry_run:
        await work.messages(chosen)
        return work.state
    async with Publisher(settings) as publisher:
        for start in range(0, len(chosen), _TOGETHER):
            passed = await work.messages(chosen[start : start + _TOGETHER])
            for messages in passed.values():
                for message in messages:
                    await publisher.put(*message)
            await publisher.flush()
            if passed:
                note = msgspec.json.encode(list(passed))
                await publisher.put(settings.dlq_topic, None, note, [(_NOTE, b"")])
    return work.state


class _Message(NamedTuple):
    topic: str
    key: bytes | None
    value: bytes


class _Redrive:
    """Parses letters with today's parsers and schemas."""

    def __init__(
        self, settings: Settings, state: Redriven, show: Callable[[Redriven], object]
    ) -> None:
        self.state = state
        self._settings = settings
        self._show = show
        self._streams = {stream.topic(settings): stream for stream in STREAMS}
        self._contracts: dict[str, Instruments] = {}

    async def messages(self, chosen: Sequence[Letter]) -> dict[str, list[_Message]]:
        """Return the messages for the topics, by id of the letters that do not fail again."""
        passed = {}
        for one in chosen:
            try:
                passed[one.id] = await asyncio.to_thread(self._again, one)
                self.state.records += len(passed[one.id])
            except LiqError as error:
                self.state.failed.append((one, str(error)))
            self.state.letters += 1
            self._show(self.state)
        return passed

    def _again(self, one: Letter) -> list[_Message]:
        if one.stage is Stage.PARSER:
            return [self._message(record) for record in self._parsed(one)]
        stream = self._streams.get(one.topic)
        if stream is None or one.value is None:
            raise RejectedMessage("it is no message for a topic of liq's")
        # encoded again, since the sink rejects a message that has a field twice
        return [_Message(one.topic, one.key, msgspec.json.encode(stream.decode(one.value)))]

    def _parsed(self, one: Letter) -> Sequence[model.Record]:
        if one.source is None or one.recv_ts is None or one.value is None:
            raise RejectedMessage("its headers lack its source and time of receipt")
        exchange = find_venue(one.venue)
        contracts = self._contracts.get(one.venue)
        if contracts is None:
            contracts = self._contracts[one.venue] = load(exchange, self._settings)
        records = parse_safely(exchange.parse, one.value, contracts, one.recv_ts, one.source)
        return limit_records(records, contracts)

    def _message(self, record: model.Record) -> _Message:
        value, stream = encode(record), find_stream(record)
        stream.decode(value)
        return _Message(stream.topic(self._settings), stream.message_key(record), value)


def _listed(record: StoredMessage) -> Sequence[str]:
    try:
        return _ids.decode(record.value or b"")
    except msgspec.DecodeError:
        return ()


def _letter(record: StoredMessage, done: Collection[str]) -> Letter:
    headers = {name: value.decode(errors="replace") for name, value in record.headers.items()}
    key = (record.key or b"").decode(errors="replace")
    number = f"{record.partition}:{record.offset}"
    recv_ts, source = headers.get("recv_ts", ""), headers.get("source")
    return Letter(
        id=number,
        time=record.time,
        stage=_stage(headers),
        # keys begin with the venue
        venue=headers.get("venue", key.partition(":")[0]),
        reason=headers.get("reason") or _reason(headers),
        value=record.value,
        key=record.key,
        topic=headers.get("topic", headers.get(_CONNECT + "topic", "")),
        recv_ts=int(recv_ts) if is_whole(recv_ts) else None,
        source=Source(source) if source in list(Source) else None,
        redriven=number in done,
    )


def _stage(headers: Mapping[str, str]) -> Stage:
    if _CONNECT + "topic" in headers:
        return Stage.SINK
    if "venue" in headers:
        return Stage.PUBLISHER if "topic" in headers else Stage.PARSER
    return Stage.UNKNOWN


def _reason(headers: Mapping[str, str]) -> str:
    said = headers.get(_CONNECT + "exception.message", "")
    return said or headers.get(_CONNECT + "exception.class.name", "it does not say why")
