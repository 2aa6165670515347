"""Rules written into their file: checked first, whole, and never over another's edit."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from liq.analysis.alerts import load_rules
from liq.analysis.alerts.editing import build_rule, read_rule_file, remove_rule, save_rule
from liq.common import files
from liq.config import Settings
from liq.errors import RuleError

RULE: dict[str, Any] = {
    "description": "big",
    "query": "totals",
    "column": "long_usd",
    "is": ">=",
    "threshold": 1,
    "window": "1m",
    "message": "${value:,.0f} in {window}",
}
FILE = """{
  "$schema": "./alerts.schema.json",
  "mine": {"description": "spaced  as I like", "query": "totals", "column": "prints",
     "is": ">", "threshold": 5, "window": "5m", "message": "{value}"},
  "broken": {"anything": ["at", "all"]}
}
"""


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    file = tmp_path / "alerts.json"
    file.write_text(FILE)
    return Settings.load(home=tmp_path, alerts=file)


def save(own: Settings, name: str, *, replaces: bool = False, **changes: Any) -> None:
    version = read_rule_file(own).version
    save_rule(name, RULE | changes, own, version=version, replaces=replaces)


def read(own: Settings) -> str:
    assert own.alerts
    return own.alerts.read_text()


def test_a_new_rule_leaves_the_other_entries_as_they_are(own: Settings) -> None:
    save(own, "burst")
    text = read(own)
    for line in FILE.splitlines()[1:3]:
        assert line in text
    assert '"broken": {"anything": ["at", "all"]}' in text
    assert list(json.loads(text)) == ["$schema", "mine", "broken", "burst"]
    assert load_rules(own).rules["burst"].threshold == 1


def test_a_rule_is_replaced_in_its_place_and_muted(own: Settings) -> None:
    save(own, "mine", replaces=True, muted=True)
    assert list(json.loads(read(own))) == ["$schema", "mine", "broken"]
    assert load_rules(own).rules["mine"].muted


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("burst", {"query": "totls"}, "did you mean 'totals'"),
        ("burst", {"message": "{value:>9999999999999}"}, "too long"),
        ("burst", {"threshold": float("nan")}, "give a number, not null"),
        ("burst", {"cool_down": "0s"}, "greater than 0"),
        ("burst", {"sql": "DROP TABLE x"}, "there is no field 'sql'"),
        ("$schema", {}, "small letters"),
        ("", {}, "small letters"),
        ("<img src=x>", {}, "small letters"),
        ("a" * 65, {}, "small letters"),
        ("mine", {}, "has a rule named 'mine'"),
    ],
)
def test_an_unusable_rule_is_refused_in_a_line_and_changes_nothing(
    own: Settings, name: str, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RuleError, match=re.escape(reason)) as refused:
        save(own, name, **changes)
    assert "\n" not in str(refused.value)
    assert read(own) == FILE


def test_a_file_that_changed_meanwhile_is_left_alone(own: Settings) -> None:
    version = read_rule_file(own).version
    assert own.alerts
    own.alerts.write_text(edited := FILE.replace("spaced", "edited"))
    with pytest.raises(RuleError, match=r"alerts\.json has changed meanwhile"):
        save_rule("burst", RULE, own, version=version, replaces=False)
    assert read(own) == edited


def test_a_rule_that_is_gone_is_not_written_again(own: Settings) -> None:
    with pytest.raises(RuleError, match="has no rule named 'gone'"):
        save(own, "gone", replaces=True)
    assert read(own) == FILE


def test_rules_that_belong_to_an_installed_liq_are_left_alone(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own.alerts
    (own.alerts.parent / "queries.json").write_bytes(files.find_asset("queries.json").read_bytes())
    monkeypatch.setattr(files, "_PACKAGED", own.alerts.parent)
    with pytest.raises(RuleError, match="belongs to liq: copy it, and set LIQ_ALERTS"):
        save(own, "burst")
    with pytest.raises(RuleError, match="belongs to liq: copy it, and set LIQ_ALERTS"):
        remove_rule("mine", own, version=read_rule_file(own).version)
    assert read(own) == FILE


def test_a_folder_that_cannot_be_written_is_named_in_a_line(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_whole", refuse)
    with pytest.raises(RuleError, match=r"cannot write .*alerts\.json: No space left on device"):
        save(own, "burst")
    with pytest.raises(RuleError, match=r"cannot write .*alerts\.json: No space left on device"):
        remove_rule("mine", own, version=read_rule_file(own).version)
    assert read(own) == FILE


def test_a_rule_is_removed_and_the_other_entries_stay_as_they_are(own: Settings) -> None:
    save(own, "burst")
    remove_rule("burst", own, version=read_rule_file(own).version)
    lines = read(own).splitlines()
    assert lines[1:3] == FILE.splitlines()[1:3]
    version = read_rule_file(own).version
    for name in ("burst", "$schema"):
        with pytest.raises(RuleError, match=re.escape(f"has no rule named {name!r}")):
            remove_rule(name, own, version=version)
    for name in ("mine", "broken"):
        remove_rule(name, own, version=read_rule_file(own).version)
    assert list(json.loads(read(own))) == ["$schema"]
    assert load_rules(own).rules == {}
    with pytest.raises(RuleError, match="has changed meanwhile"):
        remove_rule("mine", own, version=version)


def test_a_rule_is_checked_as_at_load(own: Settings) -> None:
    assert build_rule(RULE, own).window == "1m"
    with pytest.raises(RuleError, match="no column 'longs'"):
        build_rule(RULE | {"column": "longs"}, own)
