"""The statistics of a comparison, and its report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from bench.compare import Comparison, Figure, Row, Spread, lines, load, orders, run, save
from bench.report import figure, markdown, number, parse_tables, publish
from msgspec.structs import replace

RATE, DELAY = Figure("rate", "rows/s", more_is_better=True), Figure("delay", "ms")


def compared(**rounds: Sequence[Mapping[str, float]]) -> Comparison:
    """Return the comparison of contenders that give these figures, one round after the other."""
    turns = {name: map(dict, figures) for name, figures in rounds.items()}
    row = Row(
        key="work",
        title="Work done",
        figures=(RATE, DELAY),
        contenders={name: turn.__next__ for name, turn in turns.items()},
        note="By hand.",
    )
    return run(row, repeat=len(next(iter(rounds.values()))))


OURS = [{"rate": 100, "delay": 4}, {"rate": 300, "delay": 2}, {"rate": 200, "delay": 8}]
THEIRS = [
    {"rate": 50, "delay": 8, "lost": 0, "doubled": 3},
    {"rate": 100, "delay": 20, "lost": 7, "doubled": 0},
    {"rate": 400, "delay": 4, "lost": 1, "doubled": 0},
]


def test_all_have_a_turn_each_round_and_another_one_begins() -> None:
    assert list(orders(["a", "b", "c"], 4)) == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


def test_contenders_run_in_that_order_and_are_reported() -> None:
    ran: list[str] = []
    notified: list[str] = []

    def contender(name: str) -> dict[str, float]:
        ran.append(name)
        return {"delay": 1.0}

    contenders = {"liq": lambda: contender("liq"), "other": lambda: contender("other")}
    run(Row("work", "Work", (DELAY,), contenders), repeat=2, done=notified.append)
    assert ran == notified == ["liq", "other", "other", "liq"]


def test_a_ratio_is_taken_round_by_round_and_above_one_the_first_is_ahead() -> None:
    rate, delay = lines(compared(liq=OURS, other=THEIRS))[2:]
    assert rate.ratio == Spread(2.0, 0.5, 3.0)  # 100 of 50, 300 of 100, 200 of 400 rows/s
    assert delay.ratio == Spread(2.0, 0.5, 10.0)  # 8 for 4, 20 for 2, 4 for 8 ms


def test_a_line_says_median_least_and_most_and_the_worst_loss() -> None:
    ours, _, theirs, _ = lines(compared(liq=OURS, other=THEIRS))
    assert (ours.value, ours.ratio, ours.lost) == (Spread(200, 100, 300), None, None)
    assert (theirs.value, theirs.lost, theirs.doubled) == (Spread(100, 50, 400), 7, 3)


def test_saved_results_of_a_comparison_are_read_again(tmp_path: Path) -> None:
    comparison = compared(liq=OURS, other=THEIRS)
    save(comparison, tmp_path / "results")
    assert load(tmp_path / "results") == [comparison]


def test_the_table_of_a_comparison_names_subject_method_and_repetitions() -> None:
    lines_ = markdown(compared(liq=OURS, other=THEIRS)).splitlines()
    assert lines_[0] == "### Work done (`work`)"
    assert lines_[2].startswith("By hand. 3 rounds, ")
    assert lines_[6] == "| liq | rate | 200 rows/s | 100 to 300 |  |  |  |"
    assert lines_[8] == "| other | rate | 100 rows/s | 50.0 to 400 | 2.00x (0.50 to 3.00) | 7 | 3 |"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page with a comparison, beside which no picture is really drawn."""
    monkeypatch.setattr("bench.report.svg", lambda drawn: "\n".join(drawn.data[0].y))
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- side by side -->\nold\n<!-- end -->\nafter\n### Not (`one`)\n")
    publish([compared(liq=OURS, other=THEIRS)], len, page)
    return page


def test_only_the_marked_section_is_rewritten(page: Path) -> None:
    text = page.read_text()
    assert "### Work done" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n### Not (`one`)\n")
    assert page.with_name("side-by-side.svg").exists()


def test_a_result_that_was_not_repeated_stays_on_the_page(page: Path) -> None:
    before = page.read_text()
    first = replace(compared(liq=THEIRS, another=OURS), key="a")
    publish([first], len, page)
    assert list(parse_tables(page.read_text())) == ["a", "work"]
    assert parse_tables(page.read_text())["work"] == parse_tables(before)["work"]
    drawn = page.with_name("side-by-side.svg").read_text().split("\n")
    assert drawn == [
        "work, delay: other",
        "work, rate: other",
        "a, delay: another",
        "a, rate: another",
    ]


def test_a_repeated_result_replaces_the_old_result(page: Path) -> None:
    publish([compared(liq=OURS[:1], other=THEIRS[:1])], len, page)
    (table,) = parse_tables(page.read_text()).values()
    assert "1 rounds" in table
    publish([], len, page)
    assert parse_tables(page.read_text()) == {"work": table}


def test_a_page_without_the_section_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing marked\n")
    with pytest.raises(ValueError, match="has no section"):
        publish([compared(liq=OURS, other=THEIRS)], len, page)


def test_the_picture_has_a_bar_from_one_to_each_ratio() -> None:
    bars, labels = figure({"work": markdown(compared(liq=OURS, other=THEIRS))}).data
    assert list(bars.y) == list(labels.y) == ["work, delay: other", "work, rate: other"]
    assert [bars.base + length for length in bars.x] == [2.0, 2.0]
    assert [label.strip() for label in labels.text] == ["2.00x", "2.00x"]
    assert list(bars.error_x["array"]) == [8.0, 1.0]


def test_numbers_of_a_comparison_have_only_significant_decimals() -> None:
    assert [number(value) for value in (0.123, 12.34, 1234.5)] == ["0.12", "12.3", "1,234"]
