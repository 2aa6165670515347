"""What `bench.scale` measured, as tables and a picture, and what that comes to at other rates."""

from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from statistics import median

import msgspec
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from rich.table import Table

from bench import report
from bench.report import number, svg
from bench.scale import COMMON_LAYOUT, COMMON_RATE, Drained, Offered, Scale

PAGE = Path("docs/scale.md")
PICTURE = "scale.svg"
_FILE = Path("scale", "scale.json")  # apart from comparisons
_SIZED = (15_000, 100_000, 300_000)  # events/s
_REPLICAS = 3
_CORES = 4  # of a server's machine
_BUSY = 0.5  # of what can be done that is planned for: bursts come
_SERVERS = ("producer", "kafka", "connect", "questdb")
_COLOURS = {"one task": "#888888", "a task a partition": "#0072b2", "two workers": "#d55e00"}
_DASHES = {"p50": "solid", "p99": "dot"}

Rows = Sequence[Sequence[str]]


def tables(scale: Scale) -> list[Table]:
    """Return all of it for the terminal."""
    shown = []
    for title, (head, *body) in _sections(scale):
        table = Table(*head, title=title, caption=about(scale))
        for row in body:
            table.add_row(*row)
        shown.append(table)
    return shown


def save(scale: Scale, folder: Path) -> None:
    """Write it as JSON into ``folder``, in place of an earlier one."""
    file = folder / _FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(scale), indent=1))


def load(folder: Path) -> Scale | None:
    """Return what was saved in ``folder``, if anything was."""
    file = folder / _FILE
    return msgspec.json.decode(file.read_bytes(), type=Scale) if file.exists() else None


def about(scale: Scale) -> str:
    """Return when and on what it was measured."""
    begun = scale.begun[:16].replace("T", " ")
    return f"{begun} UTC, {report.machine(scale.cores, scale.load)}"


def publish(scale: Scale, page: Path = PAGE) -> None:
    """Write the tables into the marked sections of ``page``, and the picture beside it."""
    page.write_text(fill(scale, page.read_text()))
    page.with_name(PICTURE).write_text(svg(figure(scale)))


def fill(scale: Scale, page: str) -> str:
    """Return the text of a page with the tables in its marked sections.

    Raises ValueError when one of these is missing.
    """
    for title, rows in _sections(scale):
        page = report.fill(page, title, f"{about(scale)}\n\n{report.grid(rows)}\n")
    return page


def figure(scale: Scale) -> go.Figure:
    """Return rows/s against partitions, and latency against events/s and partitions."""
    titles = (
        "draining, rows/s by partitions",
        "latency, ms by events/s",
        f"latency, ms by partitions at {COMMON_RATE:,}/s",
    )
    drawn = make_subplots(1, 3, subplot_titles=titles)
    for name, drained in _lines(scale):
        drawn.add_scatter(
            x=[each.partitions for each in drained],
            y=[median(each.rates) for each in drained],
            error_y=_whiskers(drained),
            name=name,
            line_color=_COLOURS[name],
            row=1,
            col=1,
        )
    by_rate = _by_rate(scale)
    alone = [each for each in scale.offered if each.rate == COMMON_RATE and each.workers == 1]
    by_partitions = sorted(alone, key=lambda each: each.partitions)
    for which, dash in _DASHES.items():
        line = {"color": "#009e73", "dash": dash}
        for column, axis, offered in ((2, "rate", by_rate), (3, "partitions", by_partitions)):
            drawn.add_scatter(
                x=[getattr(each, axis) for each in offered],
                y=[getattr(each, which) for each in offered],
                name=which,
                line=line,
                showlegend=column == 2,
                row=1,
                col=column,
            )
    counts = sorted({each.partitions for each in scale.drained})
    drawn.update_xaxes(tickvals=counts, row=1)
    rates = [each.rate for each in by_rate]
    drawn.update_xaxes(type="log", tickvals=rates, tickformat=",", row=1, col=2)
    drawn.update_yaxes(type="log", row=1, col=2)
    for column in (1, 3):
        drawn.update_yaxes(rangemode="tozero", row=1, col=column)
    drawn.update_layout(template="plotly_white", width=1200, height=400)
    return drawn


def _lines(scale: Scale) -> Iterator[tuple[str, list[Drained]]]:
    yield "one task", [each for each in scale.drained if each.tasks == 1]
    alone = [each for each in scale.drained if each.workers == 1]
    yield "a task a partition", [each for each in alone if each.tasks == each.partitions]
    yield "two workers", [each for each in scale.drained if each.workers > 1]


def _by_rate(scale: Scale) -> list[Offered]:
    return [each for each in scale.offered if _layout(each) == COMMON_LAYOUT]


def _layout(each: Drained | Offered) -> tuple[int, int, int]:
    return each.partitions, each.tasks, each.workers


def _whiskers(drained: Sequence[Drained]) -> dict[str, object]:
    return {
        "array": [max(each.rates) - median(each.rates) for each in drained],
        "arrayminus": [median(each.rates) - min(each.rates) for each in drained],
        "thickness": 1,
    }


def _sections(scale: Scale) -> Iterator[tuple[str, Rows]]:
    yield "drained", list(_drained(scale))
    yield "offered", list(_offered(scale))
    yield "an event", list(_event(scale))
    yield "calculated", list(_calculated(scale))


def _drained(scale: Scale) -> Iterator[Sequence[str]]:
    yield ("partitions", "tasks", "workers", "rows/s", "least to most", "times", "lost", "doubled")
    first = median(scale.drained[0].rates)
    for each in scale.drained:
        yield (
            *map(str, _layout(each)),
            number(median(each.rates)),
            f"{number(min(each.rates))} to {number(max(each.rates))}",
            number(median(each.rates) / first),
            *map(str, (each.lost, each.doubled)),
        )


def _offered(scale: Scale) -> Iterator[Sequence[str]]:
    layout = ("partitions", "tasks", "workers")
    yield ("events/s offered", *layout, "carried", "p50 ms", "p99 ms", "lost", "doubled")
    for each in scale.offered:
        yield (
            f"{each.rate:,}",
            *map(str, _layout(each)),
            *map(number, (each.carried, each.p50, each.p99)),
            *map(str, (each.lost, each.doubled)),
        )


def _event(scale: Scale) -> Iterator[Sequence[str]]:
    processes = [f"CPU of {name}, µs" for name in _SERVERS]
    yield ("events/s offered", *processes, "bytes in the topic")
    for each in _by_rate(scale):
        figures = [each.cpu[name] for name in _SERVERS]
        yield (f"{each.rate:,}", *map(number, figures), number(each.message_bytes))


def _calculated(scale: Scale) -> Iterator[Sequence[str]]:
    yield ("needed at", *(f"{rate:,} events/s" for rate in _SIZED))
    sized = [_sizing(scale, rate) for rate in _SIZED]
    for name in sized[0]:
        yield (name, *(one[name] for one in sized))


def _sizing(scale: Scale, rate: int) -> dict[str, str]:
    most = max(
        scale.offered, key=lambda each: each.rate
    )  # the greatest batches, and so the least of an event
    table = median(scale.drained[0].rates)  # rows/s that one took, on a machine shared with all
    cores = {name: rate * most.cpu[name] / 1e6 for name in _SERVERS}
    topic, sink = rate * most.message_bytes / 1e6, rate * scale.sink_bytes / 1e6  # MB/s
    broker_cores = cores["kafka"] * _REPLICAS  # as if a replica cost as much as the first
    return {
        "producers, a Python process each": str(ceil(cores["producer"] / _BUSY)),
        "partitions, and sink tasks": str(max(_REPLICAS, ceil(cores["connect"] / _BUSY))),
        "Kafka, cores in all": number(broker_cores),
        f"brokers of {_CORES} cores": str(max(_REPLICAS, ceil(broker_cores / _CORES / _BUSY))),
        "Connect, cores": number(cores["connect"]),
        f"Connect workers of {_CORES} cores": str(max(2, ceil(cores["connect"] / _CORES / _BUSY))),
        "QuestDB, cores": number(cores["questdb"]),
        "QuestDB servers": str(ceil(rate / table / _BUSY)),
        "network into Kafka, Mbit/s": number(topic * 8),
        "between brokers, Mbit/s": number(topic * 8 * (_REPLICAS - 1)),
        "Kafka to Connect, Mbit/s": number(topic * 8),
        "Connect to QuestDB, Mbit/s": number(sink * 8),
        "Kafka's disk a day, three replicas, GB": number(topic * 86.4 * _REPLICAS),
        "QuestDB's disk a day, GB": number(rate * scale.row_bytes * 86_400 / 1e9),
    }
