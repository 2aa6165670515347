import pytest

from liq import stack as local
from liq.config import Settings
from liq.stack import State

pytestmark = pytest.mark.stack


def test_everything_is_healthy_after_up(stack: Settings) -> None:
    assert {s.name: s.state for s in local.status(stack)} == {
        "kafka": State.HEALTHY,
        "questdb": State.HEALTHY,
        "connect": State.HEALTHY,
    }
