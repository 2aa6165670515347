"""The state of services as a table, with advice, for notebooks."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from liq.config import Settings
from liq.stack.apps import SUPERVISOR
from liq.stack.state import ServiceState, ServiceStatus, status

if TYPE_CHECKING:
    import pandas as pd

_FEEDS = ("producer", "simulator")


def overview(settings: Settings | None = None) -> "pd.DataFrame":
    """Return each service: ``service``, ``state``, ``pid``, ``memory_mb``, ``up`` and ``address``.

    ``attrs["advice"]`` says what to do next.
    """
    import pandas as pd  # noqa: PLC0415 - `liq status` needs none

    found = status(settings)
    frame = pd.DataFrame(
        {
            "service": [one.name for one in found],
            "state": [str(one.state) for one in found],
            "pid": pd.array([one.pid for one in found], dtype="Int64"),
            "memory_mb": pd.array([_megabytes(one.memory) for one in found], dtype="Int64"),
            "up": [_clock(one.uptime) for one in found],
            "address": [one.address for one in found],
        }
    )
    frame.attrs["advice"] = advice(found)
    return frame


def advice(found: Sequence[ServiceStatus]) -> str:
    """Return advice on what to do next, from the states of services."""
    states = {one.name: one.state for one in found}
    if ailing := [one for one in found if one.is_ailing]:
        return repair(ailing)
    if ServiceState.STARTING in states.values():
        return "Some services are still starting: run this cell again in a moment."
    if ServiceState.STOPPED in states.values():
        return (
            "Nothing or not everything runs here: enter `liq run` in a terminal. It starts the"
            " servers, a feed (the live exchanges, or simulated ones where none is reached) and the"
            " dashboard. Servers elsewhere, as in containers, do not show in this table."
        )
    if not any(name.startswith(_FEEDS) for name in states):
        return (
            "Nothing feeds the servers: enter `liq run`, or open the notebook 01-start-producers."
        )
    return "Everything runs."


def repair(ailing: Sequence[ServiceStatus]) -> str:
    """Return advice for services that died or are not healthy."""
    names = [one.name for one in ailing]
    others = [name for name in names if name != SUPERVISOR]
    parts = [f"{one.name}: {one.fault}" for one in ailing if one.fault]
    if others:
        parts.append(
            f"{', '.join(others)}: look with `liq logs {others[0]}`; `liq run` starts it again"
        )
    if len(others) < len(names):
        parts.append(
            "the supervisor died or hangs, so nothing that dies is started again; the next `liq`"
            " command starts it again if `liq run` had started it"
        )
    return "; ".join(parts)


def _clock(seconds: float | None) -> str:
    return "" if seconds is None else str(timedelta(seconds=round(seconds)))


def _megabytes(size: int | None) -> int | None:
    return None if size is None else size // 2**20
