"""One round: random parameters, QuestDB's answer, the computation's, and what differs."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import numpy as np

from liq.config import Settings
from liq.query import queries, views
from oracle.answers import ANSWERS
from oracle.compare import differences
from oracle.parameters import drawn
from oracle.prices import AmbiguousError
from oracle.world import World


def faults(key: str, seeds: range, world: World, settings: Settings) -> Iterator[str]:
    """Yield what differs for ``key`` in the rounds of ``seeds``, with all that is needed to repeat.

    Where a view could answer, the table is asked too.
    """
    for seed in seeds:
        given, wrong = _round(key, seed, world, settings)
        for place, difference in wrong.items():
            yield f"{key}, seed {seed}, from the {place}: {difference}\nwith {given}"


def _round(
    key: str, seed: int, world: World, settings: Settings
) -> tuple[dict[str, Any], dict[str, str]]:
    query = queries.find(key, settings)
    # each query has its own numbers, whatever other queries there are
    rng = np.random.default_rng([seed, *key.encode()])
    given = drawn(query, rng, world)
    values = queries.resolve(query, given)
    try:
        answer = ANSWERS[key](world, values)
    except AmbiguousError:
        return given, {}
    wrong = {"table or view": differences(answer, queries.fetch(key, settings, **given))}
    if "view_to" in views.expand(query, values, settings)[1]:
        with patch.object(views, "VIEWS", ()):
            frame = queries.fetch(key, settings, **given)
        wrong["table, beside a view"] = differences(answer, frame)
    return given, {place: text for place, text in wrong.items() if text}
