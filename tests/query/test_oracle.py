"""Every query of the catalogue against a second computation, of random parameters."""

import pytest

from liq.config import Settings
from liq.query.queries import queries
from oracle.answers import ANSWERS
from oracle.rounds import faults
from oracle.world import World, loaded, world

SEED, ROUNDS = 15, 12


@pytest.fixture(scope="module")
def rows() -> World:
    return world(SEED)


@pytest.fixture(scope="module")
def own(stack: Settings, rows: World) -> Settings:
    return loaded(stack, rows)


def test_each_query_has_a_second_computation() -> None:
    # odd rows are shown as QuestDB writes them
    assert queries().keys() - {"odd_rows"} == ANSWERS.keys()


@pytest.mark.stack
@pytest.mark.parametrize("key", ANSWERS)
def test_a_query_equals_its_second_computation(own: Settings, rows: World, key: str) -> None:
    assert not list(faults(key, range(ROUNDS), rows, own))
