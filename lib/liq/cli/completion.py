"""What a shell completes: names of queries, parameters, columns, venues, notebooks, rules, logs.

No function asks a server. A catalogue that cannot be read completes nothing.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from liq import stack
from liq.common.text import match
from liq.errors import LiqError
from liq.ingest.venues import ALL, PRICE_FEEDS, VENUES
from liq.notebook import copies

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
    param = query.params.get(match(name, query.params) or "")
    if not equals:
        return _select([f"{each}=" for each in query.params], incomplete)
    if param is None:
        return []
    choices = VENUES if param.names == "exchange" else param.choices
    return _select([f"{name}={choice}" for choice in choices], incomplete)


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
