"""A stack of this version on the data folders of earlier ones: rows and messages are all there.

`support.data_folder` wrote them, run by the version whose commit names the file.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import liq
from liq import stack as local
from liq.config import Settings
from liq.query import views
from liq.records.streams import STREAMS
from support.data_folder import BASES, UNREAD, date, wait_for_rows
from support.helpers import consume, eventually, find_free_ports

pytestmark = pytest.mark.stack

FOLDERS = sorted((Path(__file__).parent / "data").glob("*.tar.xz"))
ASSETS = {"BTC", "PEPE", "SHIB", "BABYDOGE", "1INCH"}


@pytest.fixture(params=FOLDERS, ids=lambda path: path.name)
def upgraded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """A running stack on the data folder of an earlier version."""
    settings = Settings.load(home=tmp_path, **find_free_ports())
    with tarfile.open(request.param) as packed:
        packed.extractall(tmp_path, filter="data")
    try:
        local.up(settings)
        yield settings
    finally:
        local.down(settings)


def test_rows_and_messages_of_an_earlier_version_are_all_there(upgraded: Settings) -> None:
    settings = upgraded
    for stream in STREAMS:
        rows = wait_for_rows(stream, settings, 2 * len(BASES))
        times = {date(second) for second in (1, UNREAD)}
        assert {f"{ts:%Y-%m-%dT%H:%M:%S}" for ts in rows["ts"]} == times
        if "asset" in stream.columns():
            assert set(rows["asset"]) == ASSETS, stream.name
    assert len(consume(settings.dlq_topic, settings)) == 1
    eventually(lambda: {views._read_status(view, settings) for view in views.VIEWS} == {"valid"})
    until = f"{date(30)}Z"
    totals = liq.hit("totals", settings=settings, window="1h", until=until)
    assert totals["prints"].sum() == 2 * len(BASES)
    assets = liq.hit("totals", settings=settings, window="1h", until=until, assets="BTC")
    assert assets["prints"].sum() == 4  # BTC and XBT
