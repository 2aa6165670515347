"""What `bench scale` measured, as tables and in the page about it."""

import re
from pathlib import Path

import pytest
from bench import scale_report
from bench.scale import Drained, Offered, Scale

ROOT = Path(__file__).parents[1]
CPU = {"producer": 40.0, "kafka": 10.0, "connect": 10.0, "questdb": 30.0, "simulator": 20.0}
MEASURED = Scale(
    drained=[
        Drained(partitions=1, tasks=1, workers=1, rates=[150e3, 250e3], lost=0, doubled=0),
        Drained(partitions=3, tasks=3, workers=2, rates=[300e3, 300e3], lost=2, doubled=1),
    ],
    offered=[
        Offered(
            rate=15_000, partitions=3, tasks=2, workers=1, carried=14_900, p50=50, p99=200,
            lost=0, doubled=0,
            cpu=CPU, message_bytes=350,
        )
    ],
    row_bytes=84,
    sink_bytes=300,
    begun="2026-01-01T00:00:00+00:00",
    cores=2,
    load=(1.0, 2.0),
)  # fmt: skip
PAGE = "<!-- drained -->\n<!-- end -->\nA\n<!-- offered -->\n<!-- end -->\nB\n<!-- an event -->\n"
PAGE += "<!-- end -->\nC\n<!-- calculated -->\n<!-- end -->\nD\n"


def test_each_section_gets_its_table_and_the_text_between_stays() -> None:
    text = scale_report.fill(MEASURED, PAGE)
    assert "| 3 | 3 | 2 | 300,000 | 300,000 to 300,000 | 1.50 | 2 | 1 |" in text
    assert "| 15,000 | 3 | 2 | 1 | 14,900 | 50.0 | 200 | 0 | 0 |" in text
    assert re.findall(r"^[ABCD]$", text, re.MULTILINE) == ["A", "B", "C", "D"]
    assert scale_report.fill(MEASURED, text) == text


def test_the_cores_of_a_rate_are_the_cost_of_an_event_times_events() -> None:
    text = scale_report.fill(MEASURED, PAGE)
    cells = [line.strip("| ").split(" | ") for line in text.splitlines()]
    at_100_000 = {row[0]: row[2] for row in cells if len(row) == 4}
    assert at_100_000["producers, a Python process each"] == "8"  # 4 cores, half used
    assert at_100_000["QuestDB, cores"] == "3.00"
    assert at_100_000["QuestDB servers"] == "1"  # 200,000 rows/s, half used
    assert at_100_000["network into Kafka, Mbit/s"] == "280"
    assert at_100_000["QuestDB's disk a day, GB"] == "726"


def test_a_page_without_a_section_is_refused() -> None:
    with pytest.raises(ValueError, match="no section <!-- offered -->"):
        scale_report.fill(MEASURED, "<!-- drained -->\n<!-- end -->\n")


def test_saved_measurements_of_scale_are_loaded_again(tmp_path: Path) -> None:
    assert scale_report.load(tmp_path) is None
    scale_report.save(MEASURED, tmp_path)
    assert scale_report.load(tmp_path) == MEASURED


def test_the_page_itself_has_the_sections_and_the_picture_all_lines() -> None:
    assert scale_report.fill(MEASURED, (ROOT / scale_report.PAGE).read_text())
    drawn = scale_report.figure(MEASURED)
    assert [trace.name for trace in drawn.data] == [
        "one task", "a task a partition", "two workers", "p50", "p50", "p99", "p99",
    ]  # fmt: skip
