"""Alert rules: what an entry of ``alerts.json`` may say, checked at load.

A rule runs a query of the catalogue over its ``window`` and compares a column with a threshold:
any row, or an ``aggregate`` of all rows. It does not fire again within its ``cool_down``. With a
cool-down at least as long as the window, it never reports the same print twice. With ``by`` it
evaluates the rows of each value of these columns, e.g. each feed, separately, each with its own
cool-down.
"""

import math
import re
import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec

from liq.common import files, places
from liq.common.text import suggest
from liq.config import Settings, choose_settings
from liq.errors import LiqError, RuleError
from liq.query import queries
from liq.query.catalogue import SCHEMA, Query, explain_mismatch
from liq.query.parameters import parse_duration
from liq.records.model import Severity

if TYPE_CHECKING:
    import pandas as pd

Comparison = Literal[">", ">=", "<", "<=", "==", "!="]
Aggregate = Literal["any", "sum", "mean", "min", "max", "last", "count"]
MESSAGE = ("rule", "value", "threshold", "window", "rows")  # what every message may name

NAME = re.compile("[a-z][a-z0-9_]{0,63}")  # of a rule that a page writes
AGAINST = ("measured", "usual")  # and the message of a rule against the past
LEAST_HOURS = 3  # of the same hour of the week, for a median
_MOST_WINDOWS = 250  # whose rates make percentiles
_LEAST_WINDOWS = 20
_LEAST_PERCENT = 0.5
_RATES = ("any", "sum", "count")

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")]
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_SAMPLES = {"str": "x", "datetime64[us, UTC]": datetime(2026, 1, 1, tzinfo=UTC)}
_NUMBERS = ("bool", "int64", "Int64", "float64")


class _Past(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag=str.lower
):
    """What a rate is compared with; ``kind`` in a file is the class's name in lower case."""


class Usual(_Past, frozen=True, kw_only=True):
    """The threshold is a multiple of the usual: the median of this hour of the week.

    The median is over the last ``weeks``, of hours that feeds covered.
    """

    weeks: Annotated[int, msgspec.Meta(ge=3, le=26)] = 4


class Percentile(_Past, frozen=True, kw_only=True):
    """The threshold is the percentage of the windows of the last ``days`` that had a lower rate."""

    days: Annotated[int, msgspec.Meta(ge=1, le=90)] = 14


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. ``window`` is the query's parameter; ``message`` is a template.

    The template may name `MESSAGE`, for ``against`` `AGAINST` too, the columns in ``by`` and, for
    ``any``, all columns of the row that fired. ``against`` compares the rate with the past in place
    of the value itself. ``webhook`` says whether it is posted to ``LIQ_WEBHOOK_URL`` too, where
    that is set. ``notify`` says whether it is sent to the services of ``LIQ_NOTIFY_URLS``, or names
    some of them. A ``muted`` rule raises nothing.
    """

    description: _Text
    query: _Text
    column: _Text
    comparison: Comparison = msgspec.field(name="is")
    threshold: float
    message: _Text
    window: str = ""
    params: dict[str, Any] = {}
    against: Usual | Percentile | None = None
    aggregate: Aggregate = "any"
    by: tuple[_Text, ...] = ()
    cool_down: str = "5m"
    severity: Severity = Severity.WARNING
    webhook: bool = True
    notify: bool | tuple[_Text, ...] = True
    muted: bool = False

    @property
    def given(self) -> dict[str, Any]:
        """The parameters of the query.

        Example:
            >>> liq.alerts.load_rules().rules["one_sided"].given
            {'least_usd': 5000000, 'window': '15m'}
        """
        return {**self.params, **({"window": self.window} if self.window else {})}

    @property
    def window_span(self) -> timedelta:
        """The window, of which there is none for some queries."""
        return parse_duration(self.window)

    @property
    def source(self) -> tuple[object, ...]:
        """What identifies the values that the rule measures in a window."""
        params = msgspec.json.encode(self.params, order="deterministic")
        return self.query, params, self.column, self.aggregate, self.by

    @property
    def cool_down_span(self) -> timedelta:
        """The cool-down, within which it does not fire again."""
        return parse_duration(self.cool_down)


class Rules(NamedTuple):
    """The validated rules, and the faults of invalid rules, which do not affect the others.

    Example:
        >>> found = liq.alerts.load_rules()
        >>> "long_burst" in found.rules, dict(found.faults)
        (True, {})
    """

    rules: Mapping[str, Rule]
    faults: Mapping[str, str]


def load_rules(settings: Settings | None = None) -> Rules:
    """Read and check the settings' rules. Raises `RuleError` if the file cannot be read.

    A fault names the file, the rule and the reason.

    Example:
        >>> liq.alerts.load_rules().rules["long_burst"].window
        '1m'
    """
    settings = choose_settings(settings)
    document = read_file(find_file(settings))
    found, faults = {}, {}
    for name, text in document.members.items():
        if name == SCHEMA:
            continue
        try:
            if name in document.twice:
                raise RuleError(document.twice[name])
            found[name] = parse_rule(text, settings)
        except (LiqError, ValueError, MemoryError) as error:
            # a message with {value:>99999999999} has no text to say why
            reason = str(error) or "its message is too long"
            place = _find_place(document, name, reason)
            faults[name] = f"{place}: rule {name!r}: {reason}"
    return Rules(found, faults)


def find_rule_place(settings: Settings, name: str, field: str) -> str:
    """Return ``file:line:column`` of a rule's field. Raises `RuleError` for an unreadable file."""
    return read_file(find_file(settings)).find_place(name, field)


def _find_place(document: places.Document, name: str, reason: str) -> str:
    """Return the place of the rule, or of its field that the reason begins with or names."""
    fields = re.match(r"(?:(\w+)[:=]|there is no field '(\w+)')", reason)
    return document.find_place(
        name, *(each for each in (fields.groups() if fields else ()) if each)
    )


def list_rules(settings: Settings | None = None) -> "pd.DataFrame":
    """Return the rules as text: ``rule``, what it ``fires_when``, its ``description``, ``fault``.

    A rule with a ``fault`` cannot be used. Raises `RuleError` if the file cannot be read.

    Example:
        >>> liq.alerts.list_rules()["fires_when"].iloc[0]
        'long_usd of totals within 1m >= 1,000,000, cool-down 5m'
    """
    import pandas as pd  # noqa: PLC0415 - importing this module stays quick

    found, faults = load_rules(settings)
    rows = [(name, describe_condition(rule), rule.description, "") for name, rule in found.items()]
    rows += [(name, "", "", fault) for name, fault in faults.items()]
    return pd.DataFrame(rows, columns=["rule", "fires_when", "description", "fault"])


def describe_condition(rule: Rule) -> str:
    """Describe when a rule fires, and its cool-down."""
    each = " each" if rule.by else ""
    return f"{describe_comparison(rule)}, cool-down {rule.cool_down}{each}"


def describe_comparison(rule: Rule) -> str:
    """Describe the value that a rule compares with its threshold."""
    of = "" if rule.aggregate == "any" else f"{rule.aggregate} of "
    within = f" within {rule.window}" if rule.window else ""
    each = f" for each {', '.join(rule.by)}" if rule.by else ""
    chosen = ", ".join(f"{name}={_describe_value(value)}" for name, value in rule.params.items())
    query = f"{rule.query} ({chosen})" if chosen else rule.query
    what = f"{of}{rule.column} of {query}{within}"
    return f"{what} {rule.comparison} {rule.threshold:,.10g}{_describe_past(rule.against)}{each}"


def _describe_value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return f"{value:,.10g}" if type(value) in (int, float) else str(value)


def describe_unit(rule: Rule, query: Query) -> str:
    """Return the unit of the value that a rule compares, "" if there is none."""
    if rule.against:
        return "x the usual" if isinstance(rule.against, Usual) else "% of past windows"
    return query.columns[rule.column].unit if rule.column in query.columns else ""


def choose_stride(window: timedelta, days: int) -> timedelta:
    """Return how far the windows of a percentile are apart: a whole number of windows."""
    count = timedelta(days=days) / window
    return window * max(math.ceil(count / _MOST_WINDOWS), 1)


def count_needed_windows(percent: float) -> int:
    """Return how many past windows a percentile needs: one at least beyond it."""
    return max(math.ceil(100 / min(percent, 100 - percent)), _LEAST_WINDOWS)


def create_json_schema() -> dict[str, Any]:
    """Return the JSON schema of ``alerts.json``, for editors and other tools.

    Example:
        >>> liq.alerts.create_json_schema()["additionalProperties"]
        {'$ref': '#/$defs/Rule'}
    """
    (rule,), components = msgspec.json.schema_components([Rule], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {SCHEMA: {"type": "string"}},
        "additionalProperties": rule,
        "$defs": dict(components),
    }


def find_file(settings: Settings) -> Path:
    """Return the path of the settings' file of rules."""
    return settings.alerts or files.find_asset("alerts.json")


def read_file(path: Path) -> places.Document:
    """Return a file of rules. Raises `RuleError` if it cannot be read."""
    try:
        return places.read_document(path)
    except (OSError, places.MalformedError) as error:
        reason = f"cannot read {path}: {error.strerror}" if isinstance(error, OSError) else error
        raise RuleError(f"{reason}; LIQ_ALERTS names the file") from error


def parse_rule(text: msgspec.Raw, settings: Settings) -> Rule:
    """Return the rule of an entry; the reason why it is none is in the error.

    Raises `LiqError`, `ValueError`, or `MemoryError` for a message that is too long.
    """
    value = _decode(text)
    try:
        rule = msgspec.convert(value, Rule)
    except msgspec.ValidationError as error:
        path, reason = explain_mismatch(error, Rule, value)
        named = path[:-1] if path and f"no field {path[-1]!r}" in reason else path
        raise RuleError(": ".join([*named, reason])) from error
    query = queries.find(rule.query, settings)
    queries.resolve(query, rule.given)
    parse_duration(rule.cool_down)
    _check_column(rule, query)
    check_past(rule, query)
    _check_message(rule, query)
    return rule


def _decode(text: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:  # a number too large, or half of a character
        raise RuleError(places.explain(error, bytes(text))) from error


def _check_column(rule: Rule, query: Query) -> None:
    if not query.columns:
        return  # a plain string entry does not say
    for column in (rule.column, *rule.by):
        if column not in query.columns:
            raise RuleError(
                f"{query.key} has no column {column!r}{suggest(column, [*query.columns])}"
            )
    dtype = query.columns[rule.column].dtype
    if dtype not in _NUMBERS and rule.aggregate != "count":
        raise RuleError(f"column {rule.column} is {dtype}: only numbers can be compared")


def _check_message(rule: Rule, query: Query) -> None:
    named_by = {name: column for name, column in query.columns.items() if name in rule.by}
    columns = query.columns if rule.aggregate == "any" else named_by
    valid = {name: _SAMPLES.get(column.dtype, 1) for name, column in columns.items()}
    valid |= {"rule": "x", "window": "x", "value": 1.0, "threshold": 1.0, "rows": 1}
    valid |= dict.fromkeys(AGAINST if rule.against else (), 1.0)
    try:
        parts = list(string.Formatter().parse(rule.message))
    except ValueError as error:
        raise RuleError("message: each { needs a }; {{ and }} are braces in the text") from error
    named = {name for _, name, _, _ in parts if name is not None}
    if any("{" in (spec or "") for _, _, spec, _ in parts):  # its fields are checked nowhere
        raise RuleError("message: a format has no braces inside; it is like {value:,.0f}")
    if (query.columns or rule.aggregate != "any") and (unknown := sorted(named - valid.keys())):
        raise RuleError(f"its message names {unknown[0]!r}; it may name: {_join_names(valid)}")
    if named <= valid.keys():
        try:
            rule.message.format_map(valid)
        except (ValueError, TypeError) as error:
            raise RuleError(
                "message: a format is wrong; a number's is like {value:,.0f} or {value:.2f}"
            ) from error


def _describe_past(against: Usual | Percentile | None) -> str:
    if isinstance(against, Usual):
        return f" x the median of this hour of the week, over {against.weeks} weeks"
    if isinstance(against, Percentile):
        return f" % of the windows of the last {against.days} days were lower"
    return ""


def check_past(rule: Rule, query: Query) -> None:
    """Raise `RuleError` if the rule cannot be compared with the past."""
    if rule.against is None:
        return
    if not (rule.window and "until" in query.params):
        raise RuleError(f"against: {query.key} takes no window or until")
    if rule.aggregate not in _RATES:
        raise RuleError(f"against: {rule.aggregate} is no rate; use {', '.join(_RATES)}")
    if "exchange" in rule.by:
        raise RuleError("against: it cannot be by exchange; write a rule for each exchange")
    if isinstance(rule.against, Usual):
        if rule.window_span > timedelta(hours=1):
            raise RuleError("against: a window of more than 1h has no hour of the week")
        return
    if not _LEAST_PERCENT <= rule.threshold <= 100 - _LEAST_PERCENT:
        raise RuleError(
            f"threshold: a percentile is from {_LEAST_PERCENT} to {100 - _LEAST_PERCENT}"
        )
    days, needed = timedelta(days=rule.against.days), count_needed_windows(rule.threshold)
    if (count := days // choose_stride(rule.window_span, rule.against.days)) < needed:
        raise RuleError(
            f"against: {rule.against.days} days have {count} windows of {rule.window}; the"
            f" percentile {rule.threshold:g} needs {needed}"
        )


def _join_names(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names))
