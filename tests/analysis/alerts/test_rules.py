import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from liq.analysis.alerts import create_json_schema, load_rules
from liq.common import files
from liq.config import Settings
from liq.errors import ConfigError, RuleError

RULE: dict[str, Any] = {
    "description": "big",
    "query": "totals",
    "column": "long_usd",
    "is": ">=",
    "threshold": 1,
    "window": "1m",
    "message": "${value:,.0f} in {window}",
}


def settings(home: Path, entries: object) -> Settings:
    file = home / "alerts.json"
    file.write_text(json.dumps(entries))
    return Settings.load(home=home, alerts=file)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RuleError, match="it is no regular file; LIQ_ALERTS names the file"):
        load_rules(Settings.load(home=tmp_path, alerts=tmp_path / "pipe"))


def test_shipped_rules_can_be_used_and_follow_the_schema(tmp_path: Path) -> None:
    found, faults = load_rules(Settings.load(home=tmp_path))
    assert not faults
    assert {"long_burst", "great_print", "one_sided", "feed_silent"} <= found.keys()
    file = files.find_asset("alerts.json")
    shipped = json.loads(file.read_text())
    schema = file.parent / shipped["$schema"]  # what editors read
    jsonschema.validate(shipped, json.loads(schema.read_text()))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"query": "totls"}, "unknown query 'totls', did you mean 'totals'"),
        ({"column": "longs"}, "totals has no column 'longs', did you mean 'long_usd'"),
        ({"query": "largest_prints", "column": "symbol"}, "column symbol is str: only numbers"),
        ({"params": {"limit": 5}}, "totals has no parameter 'limit'"),
        ({"window": "soon"}, "window='soon' is no duration"),
        ({"cool_down": "0s"}, "greater than 0"),
        ({"cool_down": "99999999999d"}, "too long"),
        ({"message": "{value:>9999999999999}"}, "too long"),
        ({"is": "=>"}, "is: '=>' is not a choice, did you mean '>='"),
        ({"threshold": "x"}, 'threshold: give a number, not "x"$'),
        ({"severity": "critcal"}, "severity: 'critcal' is not a choice, did you mean 'critical'"),
        ({"message": "{longs}"}, "its message names 'longs'; it may name: .*value"),
        ({"message": "{value.real}"}, "its message names 'value.real'"),
        ({"message": "{value:x}"}, "message: a format is wrong; a number's is like {value:,.0f}"),
        ({"message": "{value:{nope}}"}, "message: a format has no braces inside"),
        ({"message": "{value:{rows.x}}"}, "message: a format has no braces inside"),
        ({"message": "{value:{threshold}}"}, "message: a format has no braces inside"),
        ({"message": "{value"}, "message: each { needs a }; {{ and }} are braces in the text$"),
        ({"message": "{prints}", "aggregate": "sum"}, "its message names 'prints'"),
        ({"mesage": ""}, "there is no field 'mesage', did you mean 'message'"),
        (
            {"against": {"kind": "usual", "days": 3}},
            "against: there is no field 'days'; valid are: weeks",
        ),
        ({"notify": ["a", 5]}, "notify: item 2: give a text in double quotes, not 5$"),
        ({"params": {"symbols": 5}}, "symbols=5 is no list of texts: give texts$"),
        ({"against": {}}, "against: the field 'kind' is missing; valid are: usual, percentile$"),
        ({"against": {"kind": "percentil"}}, "did you mean 'percentile'"),
    ],
)
def test_a_wrong_rule_is_named_with_the_reason_and_does_no_harm_to_others(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    entries = {"$schema": "./alerts.schema.json", "good": RULE, "bad": RULE | change}
    found, faults = load_rules(settings(tmp_path, entries))
    assert list(found) == ["good"]
    assert re.search(rf"alerts\.json:1:\d+: rule 'bad': .*{reason}", faults["bad"])


def test_a_fault_names_the_line_of_the_field(tmp_path: Path) -> None:
    text = json.dumps({"good": RULE, "bad": RULE | {"threshold": "x"}}, indent=1)
    line = text[: text.index('"x"')].count("\n") + 1
    file = tmp_path / "alerts.json"
    for before in ("", "\N{ZERO WIDTH NO-BREAK SPACE}"):  # of editors on Windows
        file.write_text(before + text)
        found, faults = load_rules(Settings.load(home=tmp_path, alerts=file))
        assert [*found] == ["good"]
        assert faults["bad"].startswith(f"{file}:{line}:3: rule 'bad': threshold: give a number")
    file.write_text('{"a": {},\n "b" 1}')
    with pytest.raises(
        RuleError, match=rf"cannot read {re.escape(str(file))}:2:6: a colon is missing after the n"
    ):
        load_rules(Settings.load(home=tmp_path, alerts=file))


def test_a_second_rule_of_a_name_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    rule = json.dumps(RULE)
    file.write_text(f'{{"one": {rule}, "one": {rule}}}')
    found, faults = load_rules(Settings.load(home=tmp_path, alerts=file))
    assert not found
    assert "rule 'one': 'one' is there twice, at 1:2 and 1:158; keep one" in faults["one"]
    file.write_text(f'{{"one": {rule[:-1]}, "query": "totals"}}}}')
    faults = load_rules(Settings.load(home=tmp_path, alerts=file)).faults
    assert "rule 'one': 'query' is there twice, at 1:32 and 1:157; keep one" in faults["one"]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (
            '{"größe": {}}'.encode("latin-1"),
            ":1:5: this is not UTF-8; save the file as UTF-8; LIQ_ALERTS",
        ),
        (b'{"a":' + 3000 * b"[", ": "),
    ],
)
def test_a_file_that_no_decoder_reads_is_named(tmp_path: Path, data: bytes, fault: str) -> None:
    own = settings(tmp_path, {})
    assert own.alerts
    own.alerts.write_bytes(data)
    with pytest.raises(RuleError, match=rf"cannot read {re.escape(str(own.alerts))}{fault}"):
        load_rules(own)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_file_that_holds_no_rules_is_named(tmp_path: Path, text: str) -> None:
    own = settings(tmp_path, {})
    assert own.alerts
    own.alerts.write_text(text)
    with pytest.raises(RuleError, match=r"cannot read .*alerts\.json.*LIQ_ALERTS"):
        load_rules(own)


def test_the_schema_of_alerts_refuses_a_rule_that_loading_refuses() -> None:
    for wrong in (5, {}, RULE | {"more": 1}, RULE | {"is": "~"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"bad": wrong}, create_json_schema())


def test_an_address_for_the_webhook_is_checked_and_kept_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"LIQ_WEBHOOK_URL: .*begins with http") as caught:
        Settings.load(home=tmp_path, webhook_url="ftp://secret")
    assert "secret" not in str(caught.value)
    loaded = Settings.load(home=tmp_path, webhook_url="https://chat.example/secret")
    assert "secret" not in repr(loaded)
