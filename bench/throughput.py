"""How many events a second the live path carries."""

import time

from bench import ways
from bench.environment import liq, own_names, prepare, wait_until
from bench.watch import rows
from liq.config import Settings


def live_path(stack: Settings, rate: int = 15_000, seconds: int = 20) -> dict[str, float]:
    """Return events/s from simulator to SQL while the simulator offers ``rate`` a second.

    ``lost`` counts events that were sent and are not stored, ``behind_s`` how long after the last
    one was due the last one was visible.
    """
    settings = own_names(stack)
    prepare(settings)
    total = rate * seconds
    with (
        liq(settings, "produce", "--url", ways.url(settings)),
        liq(settings, "simulate", "--rate", str(rate), "--count", str(total)),
    ):
        wait_until(lambda: rows(settings) > 0, timeout=60)
        begin = time.monotonic()
        _settle(settings, total, timeout=10 * seconds)
        took = time.monotonic() - begin
    stored = rows(settings)
    return {
        "offered_per_s": rate,
        "carried_per_s": stored / took,
        "lost": total - stored,
        "behind_s": max(0.0, took - seconds),
    }


def _settle(settings: Settings, total: int, timeout: float) -> None:
    try:
        wait_until(lambda: rows(settings) >= total, timeout, every=0.05)
    except TimeoutError:
        return  # the caller reports what is missing
