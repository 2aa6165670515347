"""How many events a second the live path carries."""

import time

from bench import ways
from bench.environment import liq, own_names, prepare, wait_until
from bench.watch import rows
from liq.config import Settings
from liq.ingest.venues import VENUES


def live_path(stack: Settings, rate: int = 15_000, seconds: int = 20) -> dict[str, float]:
    """Return events/s from simulator to SQL while the simulator offers ``rate`` a second.

    ``lost`` counts events that were sent and are not stored, ``behind_s`` how long after the last
    one was due the last one was visible.
    """
    settings = own_names(stack)
    return _carry(settings, ways.url(settings), 1, rate, seconds)


def all_venues(stack: Settings, rate: int = 15_000, seconds: int = 20) -> dict[str, float]:
    """Return the figures of `live_path` for all venues together, in one producer process."""
    settings = own_names(stack)
    url = f"ws://127.0.0.1:{settings.simulator_port}/{{venue}}"
    return _carry(settings, url, len(VENUES), rate, seconds)


def _carry(settings: Settings, url: str, feeds: int, rate: int, seconds: int) -> dict[str, float]:
    prepare(settings)
    each = rate / feeds
    count = round(each * seconds)  # of a feed
    with (
        liq(settings, "produce", "--no-prices", "--url", url),
        liq(settings, "simulate", "--rate", str(each), "--count", str(count)),
    ):
        wait_until(lambda: rows(settings) > 0, timeout=60)
        begin = time.monotonic()
        _settle(settings, count * feeds, timeout=10 * seconds)
        took = time.monotonic() - begin
    stored = rows(settings)
    return {
        "feeds": feeds,
        "offered_per_s": rate,
        "carried_per_s": stored / took,
        "lost": count * feeds - stored,
        "behind_s": max(0.0, took - seconds),
    }


def _settle(settings: Settings, total: int, timeout: float) -> None:
    try:
        wait_until(lambda: rows(settings) >= total, timeout, every=0.05)
    except TimeoutError:
        return  # the caller reports what is missing
