"""The catalogue of a server, read by several threads while somebody edits it."""

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
