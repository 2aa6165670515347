"""The alert rules on the page: a table, and a form that tries a rule on the past and writes it."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from typing import Any

import msgspec

from liq.analysis.alerts import Backtest, backtest, load_rules
from liq.analysis.alerts.editing import build_rule, read_rule_file, remove_rule, save_rule
from liq.config import Settings
from liq.errors import LiqError, RuleError
from liq.query import queries
from liq.query.catalogue import SINCE, WINDOW, Query, describe_values
from liq.query.parameters import Parameter
from liq.web.dashboard import markup
from liq.web.dashboard.board_queries import Controls
from liq.web.dashboard.errors import explain, log
from liq.web.dashboard.widgets import RuleForm, Tasks

_SPANS = ("1d", "3d", "7d")
_OF_TIME = (WINDOW, SINCE, queries.UNTIL)
_NUMBERS = ("bool", "int64", "Int64", "float64")
_NEW = {
    "description": "A large liquidation.",
    "query": "largest_prints",
    "column": "notional",
    "is": ">=",
    "threshold": 250_000,
    "window": "1m",
    "cool_down": "1m",
    "message": "${notional:,.0f} {symbol} {side} liquidated on {exchange} at {price:,.6g}",
}
_USUAL = {"aggregate": "any", "severity": "warning", "cool_down": "5m", "window": "", "params": {}}
_TEXTS = (
    "description", "query", "column", "aggregate", "is", "window", "cool_down", "severity",
    "message",
)  # fmt: skip


class RuleEditor:
    """The widget of the rules, and what its buttons do. Errors are a line below the table."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tasks = Tasks()
        self._params: dict[str, Any] = {}  # of a new rule: the page's filters
        self._zone: tzinfo = UTC
        self._version = ""  # of the file when the form was opened
        self._drawn = ""  # version of the file that the table shows
        self._kept: dict[str, Any] = {}  # the entry that the form edits; empty for a new one
        self._name = ""
        self.widget = RuleForm().add_class("liq-rule-editor")
        self.widget.on_act(self._receive)

    def draw(self, controls: Controls, zone: tzinfo) -> None:
        """Show the rules as the file has them now. Raises `RuleError` if it cannot be read."""
        filters = controls.filters
        kept = ("symbols", "assets", "exchange", "min_notional", "max_notional")
        # a minimum of 0 counts: a query may have a higher one by default
        self._params = {name: filters[name] for name in kept if filters[name] not in (None, [])}
        self._zone = zone
        self._draw_table()

    def _draw_table(self) -> None:
        version = read_rule_file(self._settings).version  # first: a change in between is refused
        self.widget.html = markup.render_rules(load_rules(self._settings))
        self._drawn = version

    def _receive(self, message: Mapping[str, Any]) -> None:
        acts: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "new": lambda _: self._open("", _NEW | self._limit(), is_new=True),
            "edit": lambda sent: self._edit(str(sent.get("name"))),
            "mute": lambda sent: self._mute(str(sent.get("name")), is_muted=True),
            "unmute": lambda sent: self._mute(str(sent.get("name")), is_muted=False),
            "remove": lambda sent: self._remove(str(sent.get("name"))),
            "try": lambda sent: self._tasks.spawn(self._try(sent)),
            "save": self._save,
        }
        if act := acts.get(str(message.get("type"))):
            try:
                act(message)
            except Exception as error:
                self._report(error)

    def _report(self, error: Exception) -> None:
        """Send an error to the page, which waits for a reply."""
        text = explain(error)
        if not isinstance(error, LiqError):
            log("rules", error)
            text = f"{text}; see `liq logs dashboard`"
        self.widget.send({"type": "problem", "text": " ".join(text.split())})

    def _limit(self) -> dict[str, Any]:
        known = queries.find(str(_NEW["query"]), self._settings).params
        params = {name: value for name, value in self._params.items() if name in known}
        return {"params": params} if params else {}

    def _open(self, name: str, entry: Mapping[str, Any], *, is_new: bool) -> None:
        self._version = read_rule_file(self._settings).version
        self._name, self._kept = name, {} if is_new else dict(entry)
        values: dict[str, Any] = {
            key: _USUAL.get(key, "") for key in (*_TEXTS, "threshold", "params")
        }
        values |= entry
        shown: dict[str, Any] = {key: str(values[key]) for key in (*_TEXTS, "threshold")}
        params = {key: _show(value) for key, value in values["params"].items()}
        shown |= {"name": name, "params": params}
        known = queries.load_catalogue(self._settings).queries
        self.widget.catalogue = _list_columns(known)
        self.widget.params = {key: _list_fields(known[key]) for key in self.widget.catalogue}
        self.widget.messages = {key: _list_messages(known[key]) for key in self.widget.catalogue}
        self.widget.send({"type": "open", "values": shown, "isNew": is_new})

    def _edit(self, name: str) -> None:
        self._open(name, self._read_entry(name), is_new=False)

    def _mute(self, name: str, *, is_muted: bool) -> None:
        found = read_rule_file(self._settings)
        fields = self._read_entry(name) | {"muted": is_muted}
        if not is_muted:
            del fields["muted"]
        version = save_rule(name, fields, self._settings, version=found.version, replaces=True)
        if name == self._name:
            self._kept = fields  # else the open form of this rule would undo it
        self._keep_form(found.version, version)
        self._draw_table()
        self.widget.send({"type": "done", "text": f"{name} is {'' if is_muted else 'not '}muted"})

    def _remove(self, name: str) -> None:
        if name not in read_rule_file(self._settings).entries:
            self._draw_table()
            self.widget.send({"type": "done", "text": f"{name[:64]} is already removed"})
            return
        self._read_entry(name)  # refuses an entry that is no rule, such as the schema
        try:
            version = remove_rule(name, self._settings, version=self._drawn)
        except RuleError:
            self._draw_table()
            raise
        self._keep_form(self._drawn, version)
        self._draw_table()
        self.widget.send({"type": "done", "text": f"{name} is removed"})

    def _keep_form(self, before: str, after: str) -> None:
        """Let an open form be saved after the page itself has written the file."""
        if self._version == before:
            self._version = after

    def _read_entry(self, name: str) -> dict[str, Any]:
        entries = read_rule_file(self._settings).entries
        if name not in load_rules(self._settings).rules:
            raise RuleError(f"there is no valid rule {name[:64]!r}: edit the file")
        entry: dict[str, Any] = msgspec.json.decode(entries[name])
        return entry

    async def _try(self, message: Mapping[str, Any]) -> None:
        try:
            fields = self._read_fields(message)
            rule = build_rule(fields, self._settings)
            window = str(message.get("window"))
            window = window if window in _SPANS else _SPANS[0]
            past: Backtest | str
            if self._has_past(fields):  # in a thread: thousands of queries, for half a minute
                past = await asyncio.to_thread(backtest, rule, window, settings=self._settings)
            else:
                past = f"{rule.query} takes no window or until: it cannot be tried on the past"
            self.widget.result = markup.render_attempt(past, window, self._zone)
            self.widget.send({"type": "tried"})
        except Exception as error:
            self._report(error)

    def _has_past(self, fields: Mapping[str, Any]) -> bool:
        query = queries.find(fields["query"], self._settings)
        return bool(fields.get("window")) and "until" in query.params

    def _save(self, message: Mapping[str, Any]) -> None:
        fields = self._read_fields(message)
        is_new = not self._kept
        name = str(message["fields"].get("name", "")) if is_new else self._name
        save_rule(name, fields, self._settings, version=self._version, replaces=not is_new)
        self._draw_table()
        self.widget.send({"type": "saved", "text": f"{name} is saved"})

    def _read_fields(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entry of the form's texts; what the form does not show stays as it was."""
        given = message.get("fields")
        if not isinstance(given, dict):
            raise RuleError("the form sent no fields")
        fields: dict[str, Any] = {name: str(given.get(name, "")).strip() for name in _TEXTS}
        try:
            fields["threshold"] = float(given.get("threshold", ""))
        except (ValueError, TypeError) as error:
            raise RuleError("threshold: give a number, like 5 or 0.5") from error
        fields["params"] = self._read_params(given.get("params"), fields["query"])
        kept = {name: value for name, value in self._kept.items() if name not in fields}
        return {
            name: value
            for name, value in (fields | kept).items()
            if name not in _USUAL or name in self._kept or value != _USUAL[name]
        }

    def _read_params(self, given: Any, key: str) -> dict[str, Any]:
        """Return the parameters of the query ``key`` for the form's texts; none for an empty text.

        A value that the form shows unchanged, or not at all, stays as it is in the file.
        """
        if not isinstance(given, dict):
            raise RuleError("the form sent no parameters")
        params = queries.find(key, self._settings).params
        is_same = self._kept.get("query") == key
        kept: dict[str, Any] = self._kept.get("params", {}) if is_same else {}
        found = {name: value for name, value in kept.items() if name not in given}
        for name, text in ((name, str(value).strip()) for name, value in given.items()):
            if name in kept and text == _show(kept[name]):
                found[name] = kept[name]
            elif text:
                found[name] = _parse(name, text, params.get(name))
        return found


def _list_messages(query: Query) -> list[str]:
    """Return the default messages of a rule on ``query``: on any row, and on a value of all rows.

    A rule on a value of all rows may name no column of a row.
    """
    common = "{rule}: {value:,.6g}" + (" within {window}" if WINDOW in query.params else "")
    return [str(_NEW["message"]) if query.key == _NEW["query"] else common, common]


def _list_columns(known: Mapping[str, Query]) -> dict[str, dict[str, str]]:
    """Return the numeric columns, with their units, of each query that has any."""
    found = {
        key: {n: each.unit for n, each in query.columns.items() if each.dtype in _NUMBERS}
        for key, query in known.items()
    }
    return {key: columns for key, columns in found.items() if columns}


def _list_fields(query: Query) -> list[dict[str, Any]]:
    """Return a field for each parameter of ``query`` but the window, which has its own."""
    return [
        {
            "name": name,
            "kind": "number" if param.type in ("int", "float") else "text",
            "choices": [str(choice) for choice in param.choices],
            "usual": _show(param.default),
            "hint": describe_values(param),
        }
        for name, param in query.params.items()
        if name not in _OF_TIME
    ]


def _show(value: Any) -> str:
    """Return a parameter's value as the text of a field, "" for null."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _parse(name: str, text: str, param: Parameter | None) -> Any:
    """Return the text of a field as JSON has the parameter's value."""
    if param is None or param.type not in ("int", "float", "list"):
        return text
    value = param.value(name, text)
    return int(value) if isinstance(value, float) and value.is_integer() else value
