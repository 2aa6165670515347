"""The catalogue of a server, read by several threads while somebody edits it."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from liq.config import Settings
from liq.query import lastgood
from liq.query.catalogue import Catalogue, Query
from liq.query.lastgood import LastGood

PATIENCE_S = 1.0  # for a reader that must not come


def test_an_older_reading_replaces_no_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = LastGood(Settings.load(home=tmp_path))
    old = Query("mine", "SELECT 1", "old", {}, {})
    new = replace(old, description="new")
    begun, overtaken = threading.Event(), threading.Event()
    answers = iter([Catalogue({"mine": old}, {}), Catalogue({"mine": new}, {})])

    def read(_settings: Settings) -> Catalogue:
        found = next(answers)
        if found.queries["mine"] is old:
            begun.set()
            overtaken.wait(PATIENCE_S)
        return found

    monkeypatch.setattr(lastgood, "load_catalogue", read)
    slow = threading.Thread(target=served.load)
    slow.start()
    begun.wait()
    served.load()
    overtaken.set()
    slow.join()
    monkeypatch.setattr(lastgood, "load_catalogue", lambda _: Catalogue({}, {"mine": "invalid"}))
    assert served.load().queries["mine"].description == "new"


def test_an_entry_of_a_damaged_file_does_not_fall_back_to_the_shipped_one(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"totals": "SELECT 7"}')
    served = LastGood(Settings.load(home=tmp_path, queries=file))
    for text in ('{"totals": "SELECT 7"}', "", '{"totals": "SELECT 8"', '{"totals": 8}'):
        file.write_text(text)
        assert served.load().queries["totals"].sql == "SELECT 7"
    assert [each["what"] for each in served.load().describe_faults()] == [
        "entry 'totals' is invalid"
    ]
    fresh = LastGood(Settings.load(home=tmp_path, queries=file)).load()
    assert "totals" not in fresh.queries
    assert "by_exchange" in fresh.queries
    assert fresh.has_fault("totals")
    file.unlink()
    unopened = LastGood(Settings.load(home=tmp_path, queries=file)).load()
    assert unopened.has_fault("by_exchange")  # which the file may replace


def test_a_later_file_replaces_an_entry_of_a_damaged_file(tmp_path: Path) -> None:
    for name, sql in {"a": "SELECT 1", "b": "SELECT 2"}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"one": sql, f"of_{name}": sql}))
    settings = Settings.load(home=tmp_path, queries=tmp_path)
    served = LastGood(settings)
    assert served.load().queries["one"].sql == "SELECT 2"
    (tmp_path / "b.json").write_text("")
    assert served.load().queries["one"].sql == "SELECT 2"  # not the earlier file's
    (tmp_path / "c.json").write_text('{"one": "SELECT 3"}')
    found = served.load().queries
    assert (found["one"].sql, found["of_b"].sql) == ("SELECT 3", "SELECT 2")


def test_a_fault_is_of_an_entry_or_of_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    served = LastGood(Settings.load(home=tmp_path, queries=folder))

    def describe() -> list[str]:
        return [each["what"] for each in served.load().describe_faults()]

    assert describe() == ["LIQ_QUERIES has a fault"]
    (folder / "a.json").write_text('{"q/x": "SELECT 1", "$parts": {"one": 5}}')
    assert describe() == ["LIQ_QUERIES has a fault", "entry 'q/x' is invalid"]
