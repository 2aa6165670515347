"""Edit the file of alert rules: a rule is checked as at load and written in its place, or removed.

The other entries of the file keep their text. A file that changed since it was read is left alone,
since somebody else edits it.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from liq.analysis.alerts.rules import NAME, Rule, find_file, parse_rule, read_file
from liq.common import files
from liq.config import Settings
from liq.errors import LiqError, RuleError
from liq.query.catalogue import SCHEMA

_LOCK_S = 5.0
_LONGEST = 300  # characters of a reason
_MOST = 500  # rules


class RuleFile(NamedTuple):
    """The entries of a file of rules as text, and the ``version`` of the file that has them."""

    path: Path
    entries: Mapping[str, msgspec.Raw]
    version: str


def read_rule_file(settings: Settings) -> RuleFile:
    """Read the settings' file. Raises `RuleError` if it cannot be read."""
    path = find_file(settings)
    document = read_file(path)
    return RuleFile(path, document.members, _find_version(document.data))


def build_rule(fields: Mapping[str, Any], settings: Settings) -> Rule:
    """Return the rule with these fields of an entry. Raises `RuleError` with a reason in a line."""
    try:
        return parse_rule(msgspec.Raw(msgspec.json.encode(fields)), settings)
    except (LiqError, ValueError, TypeError, MemoryError) as error:
        reason = " ".join(str(error).split()) or "its message is too long"
        raise RuleError(reason[:_LONGEST]) from error


def save_rule(
    name: str,
    fields: Mapping[str, Any],
    settings: Settings,
    *,
    version: str,
    replaces: bool,
) -> str:
    """Write a rule into the settings' file, of which ``version`` was read.

    ``replaces`` says that the file has a rule of this name. Returns the version of the new file.

    Raises:
        RuleError: The name or the rule is invalid, the file has changed or cannot be written, or
            liq's own file is in use, which the next version would replace.
    """
    if not NAME.fullmatch(name):
        raise RuleError("a name has small letters, digits and _, 64 at most, a letter first")
    build_rule(fields, settings)

    def put(found: RuleFile) -> Mapping[str, msgspec.Raw]:
        if replaces != (name in found.entries):
            there = "no rule" if replaces else "a rule"
            raise RuleError(f"{found.path} has {there} named {name!r}")
        if len(found.entries) >= _MOST and not replaces:
            raise RuleError(f"{found.path} has {_MOST} rules; remove one first")
        return {**found.entries, name: _render(fields)}

    return _change_file(settings, version, put)


def remove_rule(name: str, settings: Settings, *, version: str) -> str:
    """Remove a rule from the settings' file, of which ``version`` was read.

    Returns the version of the new file.

    Raises:
        RuleError: The file has no rule of this name, or cannot be written, as in `save_rule`.
    """

    def drop(found: RuleFile) -> Mapping[str, msgspec.Raw]:
        if name == SCHEMA or name not in found.entries:
            raise RuleError(f"{found.path} has no rule named {name!r}")
        return {each: text for each, text in found.entries.items() if each != name}

    return _change_file(settings, version, drop)


def _change_file(
    settings: Settings, version: str, change: Callable[[RuleFile], Mapping[str, msgspec.Raw]]
) -> str:
    """Write the entries that ``change`` returns for those of the settings' file.

    Returns the version of the new file.
    """
    path = find_file(settings)
    if files.is_installed(path):
        raise RuleError(f"{path} belongs to liq: copy it, and set LIQ_ALERTS to the copy")
    try:
        with contextlib.closing(files.lock(path.parent, seconds=_LOCK_S)):
            found = read_rule_file(settings)
            if found.version != version:
                raise RuleError(f"{found.path} has changed meanwhile: open the rule again")
            data = _format(change(found))
            files.write_whole(path, data)
    except OSError as error:
        raise RuleError(f"cannot write {path}: {error.strerror or error}") from error
    return _find_version(data)


def _find_version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _render(fields: Mapping[str, Any]) -> msgspec.Raw:
    text = msgspec.json.format(msgspec.json.encode(fields), indent=2)
    return msgspec.Raw(text.replace(b"\n", b"\n  "))


def _format(entries: Mapping[str, msgspec.Raw]) -> bytes:
    """Return a file of entries, the schema first."""
    ordered = {name: entries[name] for name in (SCHEMA, *entries) if name in entries}
    lines = [msgspec.json.encode(name) + b": " + bytes(text) for name, text in ordered.items()]
    return b"{\n  " + b",\n  ".join(lines) + b"\n}\n"
