"""Compare contenders in turns, so that other load on the machine affects all of them.

A `Row` names the measured figures and the contenders. A contender is a callable that does the work
once and returns its figures by name. `run` repeats this in rounds: in each round all contenders
have a turn, and each time another contender is first. The figures depend on the machine and the
moment, so the result is the ratio to the first contender, round by round:

    row = Row(
        key="paint",
        title="event to paint, 50 events/s",
        figures=(Figure("p50", "ms"), Figure("p99", "ms")),
        contenders={"liq": paint, "Streamlit, each second": paint_by_streamlit},
        note="Chromium, 1280 x 900; from the scheduled time of an event",
    )
    comparison = run(row, repeat=5)
    save(comparison, folder)

A contender may add ``lost`` and ``doubled`` rows to its figures, which are reported beside them.
`bench.report` prints, draws and publishes comparisons. To have one more of them, add a function
that returns its rows to `bench.__main__`.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

Figures = Mapping[str, float]
LOST, DOUBLED = "lost", "doubled"


class Figure(msgspec.Struct, frozen=True):
    """What is compared: its name among a contender's figures, and its unit."""

    name: str
    unit: str
    more_is_better: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A comparison to be made; the first of the ``contenders`` is what the others are compared to.

    ``title`` and ``note`` are for the reader: what is measured, and how.
    """

    key: str
    title: str
    figures: tuple[Figure, ...]
    contenders: Mapping[str, Callable[[], Figures]]
    note: str = ""


class Comparison(msgspec.Struct, frozen=True):
    """A comparison that was made: each round's figures, by contender.

    ``load`` is the machine's load average before and after, ``begun`` an ISO time.
    """

    key: str
    title: str
    figures: tuple[Figure, ...]
    rounds: list[dict[str, dict[str, float]]]
    note: str
    begun: str
    cores: int
    load: tuple[float, float]


class Spread(NamedTuple):
    """Median, least and greatest of the rounds."""

    median: float
    low: float
    high: float


class Line(NamedTuple):
    """One figure of one contender.

    ``ratio`` is how many times better the first contender did, so above 1 it is ahead; None for
    itself. ``lost`` and ``doubled`` are the most of any round, None where nobody counts them.
    """

    contender: str
    figure: Figure
    value: Spread
    ratio: Spread | None
    lost: int | None
    doubled: int | None


def run(row: Row, repeat: int = 5, done: Callable[[str], object] | None = None) -> Comparison:
    """Run ``repeat`` rounds of ``row``; ``done`` gets each contender's name after its turn."""
    begun, before = datetime.now(UTC), os.getloadavg()[0]
    rounds = []
    for order in orders(list(row.contenders), repeat):
        figures = {}
        for name in order:
            figures[name] = dict(row.contenders[name]())
            if done:
                done(name)
        rounds.append({name: figures[name] for name in row.contenders})
    return Comparison(
        key=row.key,
        title=row.title,
        figures=row.figures,
        rounds=rounds,
        note=row.note,
        begun=begun.isoformat(timespec="seconds"),
        cores=os.cpu_count() or 0,
        load=(before, os.getloadavg()[0]),
    )


def orders(names: Sequence[str], repeat: int) -> Iterator[list[str]]:
    """Yield who comes when in each of ``repeat`` rounds: every time another one begins."""
    for number in range(repeat):
        first = number % len(names)
        yield [*names[first:], *names[:first]]


def lines(comparison: Comparison) -> list[Line]:
    """Return what came of it, contender by contender."""
    first, *_ = comparison.rounds[0]
    return [
        Line(
            contender=name,
            figure=figure,
            value=_spread([each[name][figure.name] for each in comparison.rounds]),
            ratio=None if name == first else _spread(_ratios(comparison, figure, name, first)),
            lost=_most(comparison, name, LOST),
            doubled=_most(comparison, name, DOUBLED),
        )
        for name in comparison.rounds[0]
        for figure in comparison.figures
    ]


def save(comparison: Comparison, folder: Path) -> Path:
    """Write it as JSON into ``folder``, in place of an earlier one of the same key."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{comparison.key}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(comparison), indent=1))
    return file


def load(folder: Path) -> list[Comparison]:
    """Return what was saved in ``folder``, the oldest first."""
    read = msgspec.json.Decoder(Comparison).decode
    found = [read(file.read_bytes()) for file in folder.glob("*.json")]
    return sorted(found, key=lambda comparison: comparison.begun)


def _ratios(comparison: Comparison, figure: Figure, name: str, first: str) -> list[float]:
    pairs = [(each[first][figure.name], each[name][figure.name]) for each in comparison.rounds]
    if figure.more_is_better:
        return [ours / theirs for ours, theirs in pairs]
    return [theirs / ours for ours, theirs in pairs]


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def _most(comparison: Comparison, name: str, count: str) -> int | None:
    counts = [each[name][count] for each in comparison.rounds if count in each[name]]
    return int(max(counts)) if counts else None
