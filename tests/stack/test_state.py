"""What runs, in a table, and what to do next."""

from dataclasses import replace
from pathlib import Path

import pytest

from liq import stack as local
from liq.config import Settings
from liq.stack.state import ServiceState, ServiceStatus, advise
from support.helpers import find_free_ports

UP = [
    ServiceStatus(name=name, state=ServiceState.HEALTHY, address="x", port=1)
    for name in ("kafka", "connect", "questdb")
]
PRODUCER = ServiceStatus(name="producer", state=ServiceState.HEALTHY, address="", port=None)


@pytest.mark.parametrize(
    ("found", "advised"),
    [
        ([*UP, PRODUCER], "Everything runs."),
        (UP, "No producer runs: enter `liq run`"),
        ([replace(UP[0], state=ServiceState.STOPPED), *UP[1:]], "enter `liq run` in a terminal"),
        ([replace(UP[0], state=ServiceState.STARTING), *UP[1:]], "still starting"),
        (
            [*UP, replace(PRODUCER, state=ServiceState.DIED)],
            "producer: see `liq logs producer`",
        ),
    ],
)
def test_the_states_lead_to_advice(found: list[ServiceStatus], advised: str) -> None:
    assert advised in advise(found)


def test_the_overview_lists_services_that_do_not_run(tmp_path: Path) -> None:
    frame = local.overview(Settings.load(home=tmp_path, **find_free_ports()))
    assert set(frame["service"]) == {"kafka", "connect", "questdb"}
    assert set(frame["state"]) == {"stopped"}
    assert frame["memory_mb"].isna().all()
    assert set(frame["up"]) == {""}
    assert "enter `liq run`" in frame.attrs["advice"]


@pytest.mark.stack
def test_the_overview_lists_services_that_run(stack: Settings) -> None:
    frame = local.overview(stack)
    assert set(frame["state"]) == {"healthy"}
    assert (frame["memory_mb"] > 10).all()
    assert frame["up"].str.fullmatch(r"\d+:\d\d:\d\d").all()
    assert frame.attrs["advice"].startswith("No producer runs")
