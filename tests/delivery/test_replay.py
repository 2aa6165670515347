"""Recordings replayed on the real stack: the same rows, never twice, never taken for live ones."""

import asyncio
import json
from pathlib import Path

import pandas as pd
import pytest

from liq.config import Settings
from liq.delivery.producer import Producer
from liq.delivery.replay import Replay, Replayed
from liq.errors import ConfigError, KafkaError, RecordingError
from liq.ingest.recording import Recorder, Recording
from liq.ingest.simulator.server import Schedule, Simulator
from liq.query import questdb
from liq.records.model import Source
from liq.records.streams import LIQUIDATIONS
from support.helpers import consume, eventually, reached

START = 1_750_000_000_000_000
ORDER = (
    '{"e":"forceOrder","E":%(ms)d,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"%(q)s",'
    '"p":"9910","ap":"9910","X":"FILLED","l":"0.014","z":"0.014","T":%(ms)d}}'
)


def recorded(
    folder: Path, raws: dict[float, str], source: Source = Source.LIVE, venue: str = "binance_usdm"
) -> Path:
    """Record ``raws`` as received these seconds after `START`."""
    recorder = Recorder(folder, venue)
    for seconds, raw in raws.items():
        recorder.write(raw.encode(), START + round(seconds * 1e6), source)
    recorder.close()
    assert recorder.path
    return recorder.path


def orders(count: int, every: float = 1.0) -> dict[float, str]:
    """Return orders of the milliseconds from 20 before `START` on, received at such intervals."""
    return {
        number * every: ORDER % {"ms": START // 1000 - 20 + number, "q": 1 + number}
        for number in range(count)
    }


def rows(settings: Settings, count: int, source: str) -> pd.DataFrame:
    """Return the table once it has ``count`` rows, all of ``source``."""
    sql = f"SELECT * FROM {LIQUIDATIONS.table(settings)} ORDER BY ts, event_id"  # noqa: S608 - our own name

    def all_there() -> bool:
        found = questdb.fetch(sql, None, settings)
        assert (len(found), set(found["source"])) == (count, {source})
        return True

    eventually(all_there)
    return questdb.fetch(sql, None, settings)


@pytest.mark.stack
async def test_replaying_a_producer_s_recording_adds_no_row(
    pipeline: Settings, tmp_path: Path
) -> None:
    async with Simulator(
        Schedule(rate=500, count=1_000, malformed_every=100), pipeline
    ) as simulator:
        producer = Producer(url=simulator.url, record=tmp_path, settings=pipeline)
        await producer.start()
        await asyncio.to_thread(eventually, lambda: producer.status().received == 1_010)
        [file] = tmp_path.iterdir()  # noqa: ASYNC240 - one small folder
        await reached(lambda: [*Recording(file)][-1].recv_ts == producer.status().last_frame)
        await producer.stop()
    produced = await asyncio.to_thread(rows, pipeline, 1_000, "simulator")
    for _ in range(2):
        replay = Replay([file], None, pipeline)
        await replay.run()
        status = replay.status()
        assert (status.liquidations, status.dead_lettered) == (1_000, 10)
        assert status.position == status.size
    assert len(await asyncio.to_thread(consume, LIQUIDATIONS.topic(pipeline), pipeline)) == 3_000
    await asyncio.to_thread(
        eventually, lambda: questdb.read_wal_state(settings=pipeline).pending == 0
    )
    again = await asyncio.to_thread(rows, pipeline, 1_000, "simulator")
    pd.testing.assert_frame_equal(again, produced)


@pytest.mark.stack
@pytest.mark.parametrize(
    ("source", "marked"), [("live", "replay"), ("cryptofeed", "replay"), ("replay", "replay")]
)
async def test_rows_of_a_replay_are_marked(
    source: str, marked: str, pipeline: Settings, tmp_path: Path
) -> None:
    file = recorded(tmp_path, orders(20, every=0.001), Source(source))
    await Replay([file], None, pipeline).run()
    found = await asyncio.to_thread(rows, pipeline, 20, marked)
    assert list(found["recv_ts"].astype("int64")) == [START + 1_000 * n for n in range(20)]
    assert list(found["ts"].astype("int64")) == [START - 20_000 + 1_000 * n for n in range(20)]


@pytest.mark.stack
async def test_files_are_merged_by_time_and_kept_to_the_speed(
    pipeline: Settings, tmp_path: Path
) -> None:
    raws = orders(10, every=1.0)
    one = recorded(tmp_path, {second: raw for second, raw in raws.items() if second % 2})
    two = recorded(tmp_path, {second: raw for second, raw in raws.items() if not second % 2})
    began = asyncio.get_running_loop().time()
    seen: list[Replayed] = []
    await Replay([two, one], 10, pipeline).run(seen.append)
    took = asyncio.get_running_loop().time() - began
    assert took >= 0.9  # 9 s ten times as fast
    assert len(seen) > 3
    assert [state.frames for state in seen] == sorted(state.frames for state in seen)
    values = [
        json.loads(record.value) for record in consume(LIQUIDATIONS.topic(pipeline), pipeline)
    ]
    assert len(values) == 10
    assert [value["recv_ts"] for value in values] == [START + n * 1_000_000 for n in range(10)]


@pytest.mark.stack
async def test_a_recording_of_an_unknown_venue_is_an_error(
    pipeline: Settings, tmp_path: Path
) -> None:
    file = recorded(tmp_path, {0.0: "{}"}, venue="nowhere")
    with pytest.raises(ConfigError, match="unknown venue 'nowhere'"):
        await Replay([file], None, pipeline).run()


async def test_without_a_broker_it_is_an_error(unused_tcp_port: int, tmp_path: Path) -> None:
    file = recorded(tmp_path, orders(1))
    with pytest.raises(KafkaError, match="liq up"):
        await Replay([file], None, Settings(kafka_port=unused_tcp_port)).run()


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot read"):
        Replay([tmp_path / "none"])
