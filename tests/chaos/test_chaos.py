"""A short storm; ``make chaos`` runs a long one."""

import gc
from pathlib import Path

import pytest

from chaos.storm import Plan, Storm


@pytest.mark.stack
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_every_event_is_stored_once_whatever_fails(tmp_path: Path) -> None:
    outcome = Storm(Plan(seed=7, seconds=40, rate=300), tmp_path, print).run()
    gc.collect()  # kafka-python leaves sockets open to brokers that were killed
    assert outcome.recoveries
    assert (outcome.lost, outcome.duplicates, outcome.foreign) == (0, 0, 0)
    assert outcome.stored == outcome.sent > 12_000
    assert outcome.dead_letters == outcome.bad > 24
    assert outcome.strangers == 0
