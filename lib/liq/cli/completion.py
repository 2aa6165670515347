"""What a shell completes: names of queries, parameters, columns, venues, notebooks, rules, logs.

No function asks a server. A catalogue that cannot be read completes nothing.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from liq import stack
from liq.cli.output import echo
from liq.common.text import match
from liq.errors import LiqError
from liq.ingest.venues import ALL, PRICE_FEEDS, VENUES
from liq.notebook import copies
from liq.query.parameters import list_days

if TYPE_CHECKING:
    from liq.query.catalogue import Query


def complete_queries(incomplete: str) -> list[tuple[str, str]]:
    """Return the queries, each with its summary."""
    from liq.query.queries import load_catalogue  # noqa: PLC0415 - pandas would slow all commands

    try:
        known = load_catalogue().queries
    except LiqError:
        return []
    return [(key, query.summary) for key, query in known.items() if key.startswith(incomplete)]


def complete_parameters(ctx: Any, incomplete: str) -> list[str]:
    """Return the parameters of the command's query as ``name=``, then the choices of one."""
    query = _find_query(ctx)
    if query is None:
        return []
    name, equals, _ = incomplete.partition("=")
    param = match(name, query.params)
    if not equals:
        found = _select([f"{each}=" for each in query.params], incomplete)
        # bash puts a blank after a single one, so its values follow
        values = [f"{found[0]}{each}" for each in _list_values(query, found)]
        return [*found, *values]
    if param is None:
        return []
    return _select([f"{name}={value}" for value in _list_values(query, [param])], incomplete)


def _list_values(query: "Query", names: Sequence[str]) -> list[object]:
    """Return the values of the one parameter in ``names``, or its default; [] for several names."""
    if len(names) != 1:
        return []
    param = query.params[names[0].removesuffix("=")]
    choices: Iterable[object] = VENUES if param.names == "exchange" else param.choices
    if param.type == "timestamp":
        choices = list_days()
    return [*choices] or [param.default] * (param.default not in (None, []))


def complete_columns(ctx: Any, incomplete: str) -> list[str]:
    """Return the columns of the command's query, after those that are typed already."""
    query, (before, comma, last) = _find_query(ctx), incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _select(query.columns if query else (), last)]


def complete_venues(incomplete: str) -> list[str]:
    """Return the exchanges and price feeds."""
    return _select([*VENUES, ALL, *PRICE_FEEDS], incomplete)


def complete_notebooks(incomplete: str) -> list[str]:
    """Return the shipped notebooks."""
    return _select([path.stem for path in copies.list_shipped()], incomplete)


def complete_rules(incomplete: str) -> list[str]:
    """Return the alert rules."""
    from liq.analysis.alerts.rules import load_rules  # noqa: PLC0415 - pandas would slow all commands

    try:
        return _select(load_rules().rules, incomplete)
    except LiqError:
        return []


def complete_services(incomplete: str) -> list[str]:
    """Return the services that have a log."""
    try:
        return _select(stack.list_logs(), incomplete)
    except LiqError:
        return []


@contextlib.contextmanager
def join_words_of_bash() -> Iterator[None]:
    """Let bash complete the value of ``name=value``, within the block that runs typer.

    bash splits words at ``=`` and ``:``, and replaces only the part after the last of them. typer
    takes the parts for words, and answers with whole ones.
    """
    place = os.environ.get("COMP_CWORD", "")
    if os.environ.get("_LIQ_COMPLETE") != "complete_bash" or not place.isdecimal():
        yield
        return
    words = [*os.environ.get("COMP_WORDS", "").split("\n"), ""][: int(place) + 1]
    joined = _join_words(words)
    os.environ.update(COMP_WORDS="\n".join(joined), COMP_CWORD=str(len(joined) - 1))
    stays = joined[-1].removesuffix("" if _is_break(words[-1]) else words[-1])
    with contextlib.redirect_stdout(io.StringIO()) as answer:
        try:
            yield
        finally:
            with contextlib.redirect_stdout(sys.__stdout__):
                for line in answer.getvalue().splitlines():
                    echo(line.removeprefix(stays))


def _join_words(words: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for before, word in pairwise(["", *words]):
        is_part = bool(word) and (_is_break(before) or _is_break(word))
        if joined and is_part:
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _is_break(word: str) -> bool:
    return bool(word) and not word.strip("=:")


def _find_query(ctx: Any) -> "Query | None":
    from liq.query.queries import find  # noqa: PLC0415 - as above

    # typer has not assigned it yet where an option before the cursor lacks its value
    key = ctx.params.get("key") or next(iter(ctx.args), "")
    try:
        return find(key)
    except LiqError:
        return None


def _select(names: Iterable[object], incomplete: str) -> list[str]:
    return [str(name) for name in names if str(name).startswith(incomplete)]
