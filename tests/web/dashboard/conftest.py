from datetime import UTC, datetime, timedelta

import pytest

from liq.config import Settings
from liq.records.model import Liquidation
from support.rows import liquidation, own_table


@pytest.fixture
def own(stack: Settings) -> Settings:
    """Settings with a new, empty table."""
    return own_table(stack)


def fresh(notional: float = 1000.0, *, age: float = 1.0, **changes: object) -> Liquidation:
    """Return a liquidation of ``age`` seconds ago."""
    return liquidation(datetime.now(UTC) - timedelta(seconds=age), notional, **changes)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count rows as fresh for a minute: a busy machine takes seconds to write and read one."""
    monkeypatch.setattr("liq.monitoring.diagnosis.FRESH", timedelta(minutes=1))
