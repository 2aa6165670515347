import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from liq.common import files, places
from liq.errors import QueryError
from liq.query import catalogue
from liq.records.model import Source

ENTRY: dict[str, Any] = {
    "sql": "SELECT * FROM {table} WHERE notional > %(least)s",
    "description": "big ones",
    "params": {"least": {"type": "float", "default": 1}},
}


def load(folder: Path, entries: object) -> Mapping[str, catalogue.Query]:
    file = folder / "queries.json"
    file.write_text(json.dumps(entries))
    queries, faults, _ = catalogue.load(file)
    assert not faults
    return queries


def test_shipped_catalogue_follows_the_schema_and_is_complete() -> None:
    file = files.find_asset("queries.json")
    shipped = json.loads(file.read_text())
    schema = file.parent / shipped["$schema"]  # what editors read
    jsonschema.validate(shipped, json.loads(schema.read_text()))
    queries, faults, _ = catalogue.load(file)
    assert not faults
    assert {
        "latest_timestamp", "liquidations_by_bucket", "cumulative_net", "top_symbols",
        "largest_prints", "by_exchange",
    } <= queries.keys()  # fmt: skip
    for query in queries.values():
        assert query.description
        assert query.columns
        for name, column in query.columns.items():
            assert not name.endswith("_usd") or column.unit == "USD"


def test_plain_string_entry_of_the_original_app_is_valid(tmp_path: Path) -> None:
    sql = "select * from alt_liquidations where ticker like '%USDT'"
    query = load(tmp_path, {"all": sql})["all"]
    assert (query.sql, query.params, query.columns) == (sql, {}, {})


def test_lines_are_joined_and_shared_parameters_looked_up(tmp_path: Path) -> None:
    entries = {
        "$common": {"least": {"type": "float", "default": 5}},
        "big": ENTRY | {"sql": ["SELECT *", "FROM x WHERE n > %(least)s"], "common": ["least"]},
    }
    del entries["big"]["params"]
    query = load(tmp_path, entries)["big"]
    assert query.sql == "SELECT *\nFROM x WHERE n > %(least)s"
    assert query.params["least"].default == 5


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sq": "x"}, "there is no field 'sq', did you mean 'sql'"),
        (
            {"parameters": {}},
            "did you mean 'params'\\? valid are: sql, description, common, params,",
        ),
        ({"description": ""}, "it is empty; give it a value"),
        ({"sql": 5}, "give a text in double quotes or a list, not 5$"),
        (
            {"params": {"least": {"type": "number"}}},
            "'number' is not a choice; valid are: .*float",
        ),
        ({"params": {}}, "binds least, which params do not declare"),
        (
            {"params": {**ENTRY["params"], "more": {"type": "int"}}},
            "does not use the parameter more",
        ),
        ({"sql": ENTRY["sql"] + " {least}"}, r"its sql has \{least\}; braces are for tables"),
        ({"sql": ENTRY["sql"] + " {prints}"}, r"its sql has \{prints\} without \{bars\}"),
        ({"sql": "SELECT 1 FROM {bars}", "params": {}}, "binds until, window, which params do not"),
        ({"params": {"least": {"type": "float", "default": "x"}}}, "bad default or bounds"),
        ({"common": ["window"]}, r"no parameter 'window' in \$common"),
        ({"columns": {"n": {"dtype": ""}}}, "it is empty; give it a value"),
        (
            {"columns": {"N": {"dtype": "str"}, "n": {"dtype": 5}}},
            "give a text in double quotes, n",
        ),
        ({"sql": ["SELECT 1", 5]}, "give a text in double quotes, not 5$"),
        ({"common": ["window", 5]}, "give a text in double quotes, not 5$"),
        ({"a\nb": 1}, r"there is no field 'a\\nb'; valid are: sql"),
        (
            {"columns": {"usd": {"dtype": "int64"}}, "leads": ["us"]},
            "leads: there is no column 'us', did you mean 'usd'",
        ),
        ({"columns": {"n": {"dtype": "str", "units": "USD"}}}, "did you mean 'unit'"),
        ({"sql": "SELECT 1", "params": {}, "common": ["windw"]}, "no parameter 'windw'"),
        (
            {
                "sql": "SELECT %(since)s, %(window)s, %(until)s",
                "params": {name: {"type": "string"} for name in ("window", "since", "until")},
            },
            "its parameter since is the start of the window: give it the type timestamp",
        ),
        (
            {"params": {"least": {"type": "float", "default": 1, "mn": 0}}},
            "there is no field 'mn', did you mean 'min'",
        ),
        (
            {"params": {"Least": {"type": "float"}}},
            "a name has small letters, digits and _, a letter first",
        ),
        ({"sql": [" ", ";"], "params": {}}, "its sql is empty"),
        (
            {"params": {"least": {"type": "float", "default": 1, "min": 2}}},
            "parameter least: bad default or bounds: least=1 is below the least, 2",
        ),
        *(
            (
                {
                    "params": {**ENTRY["params"], name: {"type": "string", "default": "x"}},
                    "sql": f"{ENTRY['sql']} AND x = %({name})s",
                },
                f"its parameter {name} has a name that liq.hit or the HTTP API uses itself",
            )
            for name in catalogue.RESERVED
        ),
    ],
)
def test_a_wrong_entry_is_named_with_the_reason_and_does_no_harm_to_others(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    file = tmp_path / "queries.json"
    file.write_text(json.dumps({"good": "SELECT 1", "big": ENTRY | change}))
    queries, faults, _ = catalogue.load(file)
    assert re.search(rf"queries\.json:1:\d+: entry 'big': .*{reason}", faults["big"])
    assert list(queries) == ["good"]


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", ":1:1", "it is empty; the least is {}"),
        ("[]", "", "it is no object; its first character is {, and its last one }"),
        ("{", ":1:2", "the file ends too early: a }, a ] or a quotation mark is missing"),
        ('{"a": }', ":1:7", "'}' is nothing of JSON's: JSON has numbers, texts"),
        ('{"a" 1}', ":1:6", "a colon is missing after the name"),
        ('{"a": "x" "b"}', ":1:11", "a comma or a } is missing"),
        ('{"a": ["x" 2]}', ":1:12", "a comma or a ] is missing"),
        ('{"a": "x",\n}', ":2:1", "the comma before the closing bracket is one too many"),
        ("{'a': 1}", ":1:2", "a name in double quotes belongs here"),
        ('{"a": NaN}', ":1:7", "'NaN' is nothing of JSON's"),
        ('{"a": -Infinity}', ":1:8", "'Infinity' is nothing of JSON's"),
        ('{"a": 01}', ":1:8", "a number is written like 5"),
        ('{"a": "\\q"}', ":1:9", "a backslash in a text is written twice"),
        ('{"a": "x\ny"}', ":1:9", "the text goes on in the next line"),
        ('// x\n{"a": "x"}', ":1:1", "'/' is nothing of JSON's: JSON has no comments"),
        ('{"a": "x" // x\n}', ":1:11", "'/' is nothing of JSON's: JSON has no comments"),
        ('{"a": "x", # x\n"b": "x"}', ":1:12", "'#' is nothing of JSON's: JSON has no comments"),
        ('{"a": ["x" /* x */]}', ":1:12", "'/' is nothing of JSON's: JSON has no comments"),
        ('{"a": "\\#"}', ":1:9", "a backslash in a text is written twice"),
        ('{"a": "\\ud800"}', ":1:8", "half of a character is missing"),
        ('{"a": "\\ud800 and more"}', ":1:14", "half of a character is missing"),
        ('{"a": "\\udc00"}', ":1:14", "half of a character is missing"),
        ('{"a": "x"} {}', ":1:13", "the file goes on after its last }"),
        ('{"a":' * 3_000, "", "its brackets are nested too deeply"),
    ],
)
def test_a_file_that_is_no_json_is_named_with_place_and_reason(
    tmp_path: Path, text: str, place: str, reason: str
) -> None:
    file = tmp_path / "queries.json"
    file.write_text(text)
    fault = catalogue.load(file).file_faults[str(file)]
    assert fault.startswith(f"cannot read {file}{place}: {reason}")


def test_a_file_that_is_no_json_stops_only_the_names_in_it(tmp_path: Path) -> None:
    shipped, bad, good = files.find_asset("queries.json"), tmp_path / "a.json", tmp_path / "b.json"
    known = catalogue.load(shipped).queries
    text = json.dumps({"totals": {"sql": "SELECT 7", "columns": {"prints": {}}}, "mine": "x"})
    good.write_text(json.dumps({"other": "SELECT 1", "wrong": "{x}", "sources": "SELECT 3"}))
    for change in (("{}", "oops"), ('"x"', '"x" "y"')):
        bad.write_text(text.replace(*change))
        queries, faults, file_faults = catalogue.load(shipped, bad, good)
        assert queries.keys() == known.keys() - {"totals", "prints"} | {"other"}
        assert faults.keys() == {"totals", "prints", "mine", "wrong"}
        assert faults["totals"] == faults["mine"] == file_faults[str(bad)]
        assert len(catalogue.load(shipped, bad, good).list_faults()) == 2
    bad.write_text(text.replace("}", "", 1))  # what is inside which object is not certain
    found = catalogue.load(shipped, bad)
    assert found.queries.keys() == known.keys() - {"totals", "prints"}
    assert found.file_faults.keys() == {str(bad)}


@pytest.mark.parametrize(
    "data",
    [
        b"{'totals': 'SELECT 1'}",
        b'{totals: "SELECT 1"}',
        b'{"a": "SELECT\n 1", "totals": "SELECT 2"}',
        b'{"a": "SELECT 1", "totals: "SELECT 2"}',
        b'{"a": "SELECT 1", // the "one\n"totals": "SELECT 2"}',
        rb'{"a": oops, "tot\u0061ls": "SELECT 2"}',
        '{"totals": "SELECT 2"}'.encode("utf-16"),
        '{"totals": "SELECT 2"}'.encode("utf-16-le"),
    ],
)
def test_no_earlier_query_answers_for_a_name_in_a_damaged_file(tmp_path: Path, data: bytes) -> None:
    bad = tmp_path / "a.json"
    bad.write_bytes(data)
    queries, faults, file_faults = catalogue.load(files.find_asset("queries.json"), bad)
    assert "totals" not in queries
    assert faults["totals"] == file_faults[str(bad)]
    assert "by_exchange" in queries


def test_a_shared_fault_stops_only_the_entries_that_use_it(tmp_path: Path) -> None:
    shipped, own = files.find_asset("queries.json"), tmp_path / "own.json"
    entries = {
        "$common": {"until": {"type": "x"}, "least": {"type": "int"}},
        "$parts": {"one": 5, "two": "SELECT 2"},
        "good": {"description": "x", "common": ["least"], "sql": "SELECT %(least)s FROM {two}"},
        "late": {"description": "x", "common": ["until"], "sql": "SELECT %(until)s"},
        "part": "SELECT * FROM {one}",
    }
    own.write_text(json.dumps(entries, indent=1))
    queries, faults, file_faults = catalogue.load(shipped, own)
    assert {"good", "totals"} <= queries.keys()
    assert [*file_faults, *faults] == [f"{own}:4:4", f"{own}:11:3", "late", "part"]
    assert file_faults[f"{own}:4:4"].startswith(f"{own}:4:4: $common: 'x' is not a choice; valid")
    assert file_faults[f"{own}:11:3"] == (
        f"{own}:11:3: $parts: give a text in double quotes or a list, not 5"
    )
    assert "no parameter 'until' in $common" in faults["late"]
    own.write_text('{"$parts": [], "good": "SELECT 1"}')
    queries, _, faults = catalogue.load(own)
    assert [*queries] == ["good"]
    assert faults[f"{own}:1:2"] == f"{own}:1:2: $parts: give an object, not a list"
    late = {"late": {"description": "x", "common": ["window"], "sql": "SELECT %(window)s"}}
    own.write_text(f'{{"$common": {{"window": {{}}, "window": {{}}}}, {json.dumps(late)[1:]}')
    fault = catalogue.load(shipped, own).faults["late"]  # the shipped one is not used in its place
    assert "no parameter 'window' in $common" in fault
    own.write_text('{"$common": {"window": {"type": "duration", "default": "7d"}}, }')
    (tmp_path / "z.json").write_text(json.dumps(late))
    fault = catalogue.load(shipped, own, tmp_path / "z.json").faults["late"]
    assert "no parameter 'window' in $common" in fault


WRONG = """{
  "$parts": {"one": "SELECT 1"},
  "good": "{one}",
  "taken": {
    "description": "a parameter of an unknown type",
    "sql": "SELECT %(ticker)s, %(type)s",
    "params": {
      "type": {"type": "string"},
      "ticker": {"description": "ü", "type": "text"}
    }
  },
  "braces": {
    "description": "an unknown placeholder",
    "sql": [
      "SELECT * FROM {tabel}"
    ]
  }
}"""


def test_a_fault_has_the_line_and_the_column_of_its_cause(tmp_path: Path) -> None:
    file = tmp_path / "queries.json"
    file.write_text(WRONG)
    queries, faults, _ = catalogue.load(file)
    assert queries["good"].place == f"{file}:3:3"
    assert faults["taken"].startswith(f"{file}:9:38: entry 'taken': 'text' is not a choice")
    assert faults["braces"].startswith(f"{file}:14:5: entry 'braces': its sql has {{tabel}}")


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'{\n  "a": "SELECT 1",\n  "b": oops\n}', "3:8"),
        ('{\n"é": "SELECT 1" "b"\n}'.encode(), "2:17"),
        (b'\xef\xbb\xbf{\n "$common": {"least": {"type": "float", "least": 1}}}', "2:41"),
        (b'{"$parts": {"one": []}}', "1:13"),
        ('{"$parts": {"one": 1}}'.encode("utf-16-le"), "1:2"),
        (b'{\n "a": "SELECT \xe9"}', "2:15"),
        ('{"a": "SELECT 1"}'.encode("utf-16"), "1:1"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_line_and_column(
    tmp_path: Path, data: bytes, place: str
) -> None:
    file = tmp_path / "queries.json"
    file.write_bytes(data)
    [fault] = catalogue.load(file).list_faults()
    assert re.match(rf"(cannot read )?{re.escape(str(file))}:{place}: ", fault)


@pytest.mark.parametrize(
    "value", ["9" * 5_000, "[" * 100_000, '{"a":' * 100_000, "1e999", '"\\ud800"']
)
def test_odd_json_is_an_error_of_its_file(tmp_path: Path, value: str) -> None:
    file = tmp_path / "queries.json"
    file.write_text(f'{{"good": "SELECT 1", "odd": {value}}}')
    [fault] = catalogue.load(file).list_faults()
    assert str(file) in fault


def test_a_number_too_large_is_a_fault_of_its_entry(tmp_path: Path) -> None:
    file = tmp_path / "queries.json"
    file.write_text('{"good": "SELECT 1",\n "odd": 1e999}')
    queries, faults, _ = catalogue.load(file)
    assert [*queries] == ["good"]
    assert faults == {"odd": f"{file}:2:2: entry 'odd': the number is too large"}


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    os.mkfifo(file)
    with pytest.raises(QueryError, match=r"cannot read .*mine\.json: it is no regular file$"):
        catalogue.load(file)


def test_a_later_file_adds_and_replaces_entries(tmp_path: Path) -> None:
    shipped, own = files.find_asset("queries.json"), tmp_path / "mine.json"
    own.write_text(
        json.dumps(
            {
                "$common": {"window": {"type": "duration", "default": "7d"}},
                "$parts": {"feeds": "SELECT 1 AS one"},
                "mine": {
                    "description": "Shipped parameters and parts.",
                    "common": ["window", "until", "symbols"],
                    "sql": "SELECT * FROM {bars} WHERE side IN ({live_sources}) OR {feeds}",
                },
                "totals": "SELECT 7",
            }
        )
    )
    queries, faults, _ = catalogue.load(shipped, own)
    assert not faults
    assert queries["totals"].sql == "SELECT 7"
    column = own.read_text().index('"totals"') + 1
    assert queries["totals"].place == f"{own}:1:{column}"
    assert queries["mine"].params["window"].default == "7d"
    assert "SELECT 1 AS one" in queries["mine"].sql
    assert queries["coverage"] == catalogue.load(shipped).queries["coverage"]


def test_a_wrong_entry_does_not_fall_back_to_the_entry_that_it_replaces(tmp_path: Path) -> None:
    own = tmp_path / "mine.json"
    own.write_text(json.dumps({"totals": "SELECT %(x)s"}))
    queries, faults, _ = catalogue.load(files.find_asset("queries.json"), own)
    assert "totals" not in queries
    assert list(faults) == ["totals"]


def test_parts_replace_their_names(tmp_path: Path) -> None:
    parts = {"one": ["SELECT 1", "AS x"], "two": "SELECT x FROM {one}"}
    sql = load(tmp_path, {"$parts": parts, "all": "SELECT * FROM {two} JOIN {table}"})["all"].sql
    assert sql == "SELECT * FROM (\nSELECT x FROM (\nSELECT 1\nAS x\n)\n) JOIN {table}"
    file = tmp_path / "queries.json"
    file.write_text(json.dumps({"$parts": {"later": "{one}", "one": "1"}, "all": "{later}"}))
    assert "has {one}" in catalogue.load(file).faults["all"]


def test_the_lists_of_sources_come_from_the_record(tmp_path: Path) -> None:
    sql = "SELECT count() FROM {table} WHERE source IN ({live_sources}) OR '' IN ({all_sources})"
    [live, every] = re.findall(r"IN \((.*?)\)", load(tmp_path, {"live": sql})["live"].sql)
    assert live == "'live', 'cryptofeed'"
    assert every == "'live', 'cryptofeed', 'replay', 'simulator'"
    assert [source for source in Source if source.is_live] == [Source.LIVE, Source.CRYPTOFEED]
    shipped = files.find_asset("queries.json").read_text()
    assert not re.search(r"'(live|cryptofeed|replay)'", shipped)  # no entry has a list of its own


@pytest.mark.parametrize("key", catalogue.PAGES)
def test_no_query_can_have_the_place_of_a_page_of_the_api(tmp_path: Path, key: str) -> None:
    file = tmp_path / "queries.json"
    file.write_text(json.dumps({key: "SELECT 1"}))
    assert "is a page of the HTTP API" in catalogue.load(file).faults[key]


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        "a\nb",
        "a\x1b[31mb",
        "a\u202eb",
        "a/b",
        "my-query",
        "1h",
        "_x",
        "é",
        "x" * 65,
        "class",
    ],
)
def test_a_name_that_hit_or_a_tool_cannot_have_is_a_fault(tmp_path: Path, key: str) -> None:
    file = tmp_path / "queries.json"
    file.write_text(json.dumps({"good": "SELECT 1", key: "SELECT 1"}))
    queries, faults, _ = catalogue.load(file)
    assert [*queries] == ["good"]
    reason = "(a query's name has letters, digits and _, 64 at|its name is a word of Python's)"
    assert re.fullmatch(rf"{re.escape(str(file))}:1:22: entry .*: {reason}.*", faults[key])
    assert faults[key].isprintable()


def test_an_entry_that_a_file_has_twice_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "queries.json"
    file.write_text('{"one": "SELECT 1",\n "one": "SELECT 2", "two": {"sql": "SELECT 1", "x": 1}}')
    queries, faults, _ = catalogue.load(file)
    assert (
        faults["one"] == f"{file}:2:2: entry 'one': 'one' is there twice, at 1:2 and 2:2; keep one"
    )
    assert not queries
    file.write_text(
        '{"one": {"sql": "SELECT 1", "params": {},\n "description": "x", "params": {}}}'
    )
    assert catalogue.load(file).faults["one"] == (
        f"{file}:1:2: entry 'one': 'params' is there twice, at 1:29 and 2:22; keep one"
    )
    own = tmp_path / "own.json"
    own.write_text('{"one": "SELECT 3"}')
    assert catalogue.load(file, own).queries["one"].sql == "SELECT 3"


def test_places_of_many_entries_are_found_in_one_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def scan(text: str, start: int) -> Iterator[Any]:
        read.append(start)
        return _scan(text, start)

    _scan = places._scan
    monkeypatch.setattr(places, "_scan", scan)
    keys = [f"query_{number}" for number in range(500)]
    found = load(tmp_path, dict.fromkeys(keys, "SELECT 1"))
    assert found["query_499"].place.startswith(f"{tmp_path / 'queries.json'}:1:")
    assert len(read) == 2  # for keys that are there twice, and for places


def test_an_end_of_statement_is_left_out(tmp_path: Path) -> None:
    assert load(tmp_path, {"one": "SELECT 1 ;\n"})["one"].sql == "SELECT 1"


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT * FROM {table}", {"table"}),
        ("SELECT extract(hour FROM ts) AS h FROM {table}", {"table"}),
        ("SELECT count() FROM {table} SAMPLE BY 1h FROM '2026-01-01'", {"table"}),
        ("WITH one AS (SELECT * FROM {table}) SELECT * FROM one JOIN (SELECT 1) b", {"table"}),
        ("SELECT * FROM {table} ASOF JOIN {price_table} ON (base)", {"table", "price_table"}),
        ("SELECT * FROM {table} JOIN trades ON (base)", set()),
        ("SELECT * from trades", set()),
        ("SELECT count() FROM wal_tables()", set()),
        ("SELECT * FROM {table} WHERE ts > dateadd('h', -1, now())", set()),
        ("SELECT * FROM {table} WHERE ts IN today()", set()),
        ("SELECT rnd_int() FROM {table}", set()),
    ],
)
def test_a_query_says_the_basis_of_its_answer(tmp_path: Path, sql: str, tables: set[str]) -> None:
    assert load(tmp_path, {"one": sql})["one"].reads == tables


def test_the_schema_of_queries_refuses_an_entry_that_loading_refuses() -> None:
    schema = catalogue.create_json_schema()
    for wrong in (5, {"sql": "x"}, ENTRY | {"more": 1}, ENTRY | {"params": {"p": {"type": "x"}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"big": wrong}, schema)
    for name in ("my-query", "1h", "_x", "$part"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({name: ENTRY}, schema)
