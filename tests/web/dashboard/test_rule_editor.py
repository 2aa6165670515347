"""The form of alert rules, by the messages that its page sends."""

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from liq.analysis.alerts import load_rules
from liq.config import Settings
from liq.web.dashboard.board_queries import Controls
from liq.web.dashboard.rule_editor import RuleEditor

BURST = {
    "description": "a burst <b>of</b> longs", "query": "totals", "window": "1m",
    "column": "long_usd", "is": ">=", "threshold": 1000, "cool_down": "5m",
    "message": "${value:,.0f} within {window}", "notify": ["phone"],
}  # fmt: skip
CONTROLS = Controls("Alerts", "1m", "1h", None, "BTC", ("okx",), (), 0.0, 0.0)
FIELDS = {
    "name": "mine", "description": "d", "query": "totals", "column": "long_usd",
    "aggregate": "any", "is": ">", "threshold": "5", "window": "1m", "cool_down": "5m",
    "severity": "info", "params": {}, "message": "{value}",
}  # fmt: skip


class Editor(RuleEditor):
    """An editor that keeps what it sends to the page."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.sent: list[dict[str, Any]] = []
        self.widget.send = lambda message, *_: self.sent.append(message)
        self.draw(CONTROLS, UTC)

    def press(self, kind: str, **more: Any) -> dict[str, Any]:
        """Send a message of the page; return the reply."""
        self.widget._handle_custom_msg({"type": kind, **more}, [])
        return self.sent[-1]


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    file = tmp_path / "alerts.json"
    file.write_text(json.dumps({"burst": BURST}))
    return Settings.load(home=tmp_path, alerts=file)


@pytest.fixture
def editor(own: Settings) -> Editor:
    return Editor(own)


def test_a_new_rule_begins_with_the_filters_of_the_page_and_is_saved(
    editor: Editor, own: Settings
) -> None:
    reply = editor.press("new")
    assert (reply["type"], reply["isNew"]) == ("open", True)
    assert reply["values"]["params"] == {"assets": "BTC", "exchange": "okx"}
    editor.draw(CONTROLS._replace(max_notional=5.0), UTC)
    params = editor.press("new")["values"]["params"]
    # a query may have a higher minimum by default
    assert (params["min_notional"], params["max_notional"]) == ("0", "5")
    assert editor.widget.catalogue["totals"]["long_usd"] == "USD"
    assert editor.press("save", fields=reply["values"] | {"name": "large"})["type"] == "saved"
    rule = load_rules(own).rules["large"]
    assert (rule.query, rule.threshold, rule.params["assets"]) == (
        "largest_prints", 250_000, ["BTC"],
    )  # fmt: skip
    assert "large" in editor.widget.html


def test_the_default_messages_fit_every_query(editor: Editor, own: Settings) -> None:
    values = editor.press("new")["values"]
    assert values["message"] == editor.widget.messages["largest_prints"][0]
    for key, columns in editor.widget.catalogue.items():
        for aggregate, message in zip(("any", "max"), editor.widget.messages[key], strict=True):
            changes = {"name": f"{key}_{aggregate}", "query": key, "column": next(iter(columns))}
            changes |= {"aggregate": aggregate, "message": message}
            editor.press("new")
            reply = editor.press("save", fields=values | changes | {"params": {}})
            assert "its message" not in reply["text"]


def test_each_parameter_of_a_query_is_a_field_of_the_form(editor: Editor, own: Settings) -> None:
    values = editor.press("new")["values"]
    shown = {each["name"]: each for each in editor.widget.params["by_exchange"]}
    assert not shown.keys() & {"window", "since", "until"}
    fields = {each["name"]: each for each in editor.widget.params["liquidations_by_bucket"]}
    assert "5m" in fields["bucket"]["choices"]
    assert (fields["min_notional"]["kind"], fields["symbols"]["kind"]) == ("number", "text")
    typed = {"symbols": "BTCUSDT, ETHUSDT", "bucket": "5m", "min_notional": "2500", "assets": " "}
    changes: dict[str, Any] = {
        "name": "mine",
        "query": "liquidations_by_bucket",
        "column": "long_usd",
    }
    changes |= {"params": typed, "message": "{value}"}
    assert editor.press("save", fields=values | changes)["type"] == "saved"
    expected = {"symbols": ["BTCUSDT", "ETHUSDT"], "bucket": "5m", "min_notional": 2500}
    assert load_rules(own).rules["mine"].params == expected
    values = editor.press("edit", name="mine")["values"]
    assert values["params"] == {
        "symbols": "BTCUSDT, ETHUSDT",
        "bucket": "5m",
        "min_notional": "2500",
    }


def test_an_edit_keeps_parameters_that_have_no_field(editor: Editor, own: Settings) -> None:
    params = {"until": "2026-01-01", "symbols": "A,B", "min_notional": "7", "assets": None}
    Path(str(own.alerts)).write_text(json.dumps({"burst": BURST | {"params": params}}))
    values = editor.press("edit", name="burst")["values"]
    assert values["params"]["assets"] == ""
    shown = {"symbols": "A,B", "min_notional": "8", "assets": ""}
    assert editor.press("save", fields=values | {"params": shown})["type"] == "saved"
    assert load_rules(own).rules["burst"].params == params | {"min_notional": 8}


def test_an_edit_keeps_what_the_form_does_not_show(editor: Editor, own: Settings) -> None:
    values = editor.press("edit", name="burst")["values"]
    assert values["threshold"] == "1000"
    assert editor.press("save", fields=values | {"threshold": "2500.5"})["type"] == "saved"
    written = json.loads(Path(str(own.alerts)).read_text())["burst"]
    assert written == BURST | {"threshold": 2500.5}


def test_a_rule_is_muted_and_unmuted(editor: Editor, own: Settings) -> None:
    editor.press("mute", name="burst")
    assert load_rules(own).rules["burst"].muted
    assert 'data-act="unmute"' in editor.widget.html
    editor.press("unmute", name="burst")
    assert json.loads(Path(str(own.alerts)).read_text()) == {"burst": BURST}


def test_a_rule_is_removed_from_the_table_and_the_file(editor: Editor, own: Settings) -> None:
    assert 'data-act="remove" data-name="burst"' in editor.widget.html
    assert editor.press("remove", name="burst") == {"type": "done", "text": "burst is removed"}
    assert load_rules(own).rules == {}
    assert "burst" not in editor.widget.html


def test_a_rule_that_changed_since_the_table_was_drawn_is_not_removed(
    editor: Editor, own: Settings
) -> None:
    edited = json.dumps({"burst": BURST | {"threshold": 7}})
    Path(str(own.alerts)).write_text(edited)
    assert "has changed meanwhile" in editor.press("remove", name="burst")["text"]
    assert Path(str(own.alerts)).read_text() == edited
    assert editor.press("remove", name="burst")["text"] == "burst is removed"  # as drawn again


def test_a_rule_that_is_gone_leaves_the_table(editor: Editor, own: Settings) -> None:
    Path(str(own.alerts)).write_text("{}")
    assert editor.press("remove", name="burst")["text"] == "burst is already removed"
    assert "burst" not in editor.widget.html


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"threshold": "lots"}, "threshold: give a number"),
        ({"threshold": "nan"}, "give a number, not null"),
        ({"params": "{"}, "the form sent no parameters"),
        ({"params": {"min_notional": "lots"}}, "min_notional='lots' is no number"),
        ({"params": {"symbol": "X"}}, "no parameter 'symbol'"),
        ({"query": "odd"}, "unknown query 'odd'"),
        ({"message": "{nothing}"}, "its message names 'nothing'"),
        ({"window": "<img>"}, "is no duration"),
        ({"name": "../evil"}, "small letters"),
        ({"name": "burst"}, "has a rule named 'burst'"),
    ],
)
def test_a_wrong_field_is_refused_in_a_line(
    editor: Editor, own: Settings, changes: dict[str, Any], reason: str
) -> None:
    editor.press("new")
    before = Path(str(own.alerts)).read_text()
    reply = editor.press("save", fields=FIELDS | changes)
    assert reply["type"] == "problem"
    assert reason in reply["text"]
    assert "\n" not in reply["text"]
    assert Path(str(own.alerts)).read_text() == before


@pytest.mark.parametrize("act", ["remove", "mute"])
def test_an_open_form_can_be_saved_after_another_rule_changed_in_the_table(
    editor: Editor, own: Settings, act: str
) -> None:
    file = Path(str(own.alerts))
    file.write_text(json.dumps({"burst": BURST, "other": BURST}))
    editor.draw(CONTROLS, UTC)
    values = editor.press("edit", name="burst")["values"]
    editor.press(act, name="other")
    assert editor.press("save", fields=values | {"threshold": "7"})["type"] == "saved"
    assert load_rules(own).rules["burst"].threshold == 7
    values = editor.press("edit", name="burst")["values"]
    file.write_text(json.dumps({"burst": BURST, "other": BURST}))  # by somebody else
    editor.draw(CONTROLS, UTC)
    editor.press(act, name="other")
    assert "has changed meanwhile" in editor.press("save", fields=values)["text"]


def test_a_rule_that_is_muted_while_its_form_is_open_stays_muted(
    editor: Editor, own: Settings
) -> None:
    values = editor.press("edit", name="burst")["values"]
    editor.press("mute", name="burst")
    assert editor.press("save", fields=values)["type"] == "saved"
    assert load_rules(own).rules["burst"].muted


def test_a_file_that_somebody_else_edited_is_left_alone(editor: Editor, own: Settings) -> None:
    values = editor.press("edit", name="burst")["values"]
    edited = json.dumps({"burst": BURST | {"threshold": 7}})
    Path(str(own.alerts)).write_text(edited)
    assert "has changed meanwhile" in editor.press("save", fields=values)["text"]
    assert Path(str(own.alerts)).read_text() == edited


@pytest.mark.parametrize(
    "message",
    [{"type": "save"}, {"type": "save", "fields": 5}, {"type": "save", "fields": {}},
     {"type": "edit"}, {"type": "edit", "name": "gone"}, {"type": "mute", "name": "$schema"}],
)  # fmt: skip
def test_odd_messages_are_answered_in_a_line(editor: Editor, message: dict[str, Any]) -> None:
    editor.widget._handle_custom_msg(message, [])
    assert editor.sent[-1]["type"] == "problem"
    assert "\n" not in editor.sent[-1]["text"]


def test_a_message_of_no_kind_is_ignored(editor: Editor) -> None:
    editor.widget._handle_custom_msg({"type": "__init__"}, [])
    assert editor.sent == []
