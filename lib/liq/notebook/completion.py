"""Completion inside calls: names of queries, parameters and rules, and parameters' values.

Names of symbols and the like come from QuestDB, within a second, or are left out.
"""

import keyword
import re
from typing import NamedTuple

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult

from liq.analysis.alerts.rules import load_rules
from liq.config import settings as current_settings
from liq.errors import LiqError
from liq.query import names, queries
from liq.query.parameters import Parameter, list_days

_PATIENCE_S = 1.0
_MOST = 500  # of a completion
_SPANS = ("15m", "1h", "4h", "1d", "7d")
# hit.KEY(   hit["KEY"](   hit("KEY",   export("KEY",
_CALL = re.compile(
    r"""\bhit\s*\.\s*(\w+)\s*\(
      | \bhit\s*\[\s*["']([^"'\n]+)["']\s*\]\s*\(
      | \b(?:hit|export)\s*\(\s*["']([^"'\n]+)["']\s*,""",
    re.VERBOSE,
)
# no code: a venue, or whoever writes rows, chooses the names that are put between quotes
_UNQUOTED = re.compile(r"""[^"'\\,{}\s]+""")
_KEY = re.compile(
    r"""\b(?: (?:hit|export)\s*\(
            | queries\s*\(\s*\)\s*\[
            | read\s*\(\s*["'][^"'\n]*["']\s*, )\s*["'](\w*)$""",
    re.VERBOSE,
)
_RULE = re.compile(r"""\bbacktest\s*\(\s*["'](\w*)$""")


class _Place(NamedTuple):
    """Where the cursor is in a call: the typed ``prefix`` of a parameter's name or value."""

    query: str
    parameter: str  # "" where a name is typed
    prefix: str


def complete(context: CompletionContext) -> SimpleMatcherResult:
    """Return what can be typed at the cursor in a call of a query; never raises `LiqError`."""
    try:
        return _match(context)
    except LiqError:
        return _offer([], "")


def _match(context: CompletionContext) -> SimpleMatcherResult:
    lines = context.full_text.split("\n")[: context.cursor_line]
    text = "\n".join([*lines, context.text_until_cursor])
    if key := _KEY.search(text):
        return _offer([*queries.load_catalogue().queries], key[1])
    if rule := _RULE.search(text):
        return _offer([*load_rules().rules], rule[1])
    place = find_place(text)
    if place is None:
        return _offer([], "")
    query = queries.find(place.query)
    if not place.parameter:
        given = [name for name in (*query.params, "settings") if not keyword.iskeyword(name)]
        return _offer([f"{name}=" for name in given], place.prefix, "param")
    values = list_values(query.params[place.parameter]) if place.parameter in query.params else []
    return _offer([value for value in values if _UNQUOTED.fullmatch(value)], place.prefix)


def list_values(param: Parameter) -> list[str]:
    """Return values of a parameter to choose from; empty if QuestDB does not answer."""
    if param.choices:
        return [str(choice) for choice in param.choices]
    if param.type == "duration":
        return [*_SPANS]
    if param.type == "timestamp":
        return list_days()
    return names.list_names(param.names, current_settings(), _PATIENCE_S) if param.names else []


def find_place(text: str) -> _Place | None:
    """Return where the end of ``text`` is in a call of a query; None if it is in none."""
    for call in reversed([*_CALL.finditer(text)]):
        inner = _Scan.of(text[call.end() :])
        if inner is not None:
            return inner.locate(next(filter(None, call.groups())))
    return None


class _Scan(NamedTuple):
    """What is open at the end of a call's text: the argument, and the text in quotes if any."""

    argument: str
    quoted: str | None

    @classmethod
    def of(cls, text: str) -> "_Scan | None":
        """Return the state at the end of ``text``, the inside of a call; None if it has ended."""
        depth, quote, begun, argument = 0, "", 0, 0
        skip = False
        for at, sign in enumerate(text):
            if skip:
                skip = False
            elif quote:
                skip = sign == "\\"
                quote = "" if sign == quote else quote
            elif sign in "\"'":
                quote, begun = sign, at + 1
            elif sign in "([{":
                depth += 1
            elif sign in ")]}":
                depth -= 1
            elif sign == "," and depth == 0:
                argument = at + 1
            if depth < 0:
                return None
        return cls(text[argument:], text[begun:] if quote else None)

    def locate(self, query: str) -> _Place | None:
        name, equals, _ = self.argument.partition("=")
        if self.quoted is not None and equals and name.strip().isidentifier():
            return _Place(query, name.strip(), self.quoted.rpartition(",")[2].lstrip())
        typed = self.argument.strip()
        if self.quoted is None and not equals and (not typed or typed.isidentifier()):
            return _Place(query, "", typed)
        return None


def _offer(texts: list[str], prefix: str, kind: str = "text") -> SimpleMatcherResult:
    folded = prefix.casefold()
    found = [text for text in texts if text.casefold().startswith(folded)][:_MOST]
    return SimpleMatcherResult(
        completions=[SimpleCompletion(text, type=kind) for text in found],
        matched_fragment=prefix,
        suppress=bool(found),  # else magics, or files of the folder, are offered too
    )
