"""The pipeline in a notebook: what lags, what is broken, and buttons that mend it."""

import asyncio
from collections.abc import Iterator
from html import escape

import ipywidgets as widgets

from liq import deadletters, monitor
from liq.config import Settings
from liq.config import settings as current_settings
from liq.dashboard.frame import ButtonPanel
from liq.dashboard.markup import alert
from liq.errors import StackError
from liq.kafka import Partition
from liq.monitor import Flow, Pipeline

_REFRESH = 2.0  # seconds
_LETTERS = 50


class PipelineMonitor(ButtonPanel):
    """Shows topics, sinks, tables and dead letters; Mend and Redrive do as they say.

    ``widget`` is what a notebook shows, once; `start` keeps it up to date until `stop`.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or current_settings()
        self._refreshing: asyncio.Task[None] | None = None
        self._progress = widgets.IntProgress(layout={"display": "none"}, description="Redriving")
        self._flows, self._letters = widgets.HTML(), widgets.HTML()
        super().__init__(self._progress, self._flows, self._letters)
        self._mend = self._button(
            "Mend", self.mend, tooltip="restart failed tasks, resume suspended tables"
        )
        self._redrive = self._button(
            "Redrive", self.redrive, tooltip="take every dead letter again"
        )
        self.refresh()

    def refresh(self) -> Pipeline:
        """Show the pipeline as it is now, and return it."""
        seen = monitor.look(self._settings)
        self._show(seen)
        return seen

    def start(self) -> None:
        """Keep what is shown up to date, in the kernel's loop."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._live())

    def stop(self) -> None:
        """Leave what is shown as it is."""
        if self._refreshing:
            self._refreshing.cancel()
            self._refreshing = None

    async def watch(self, seconds: float | None) -> None:
        """Watch for ``seconds`` and stop: for runs without a reader, as papermill's.

        Returns at once when ``seconds`` is None. Raises `StackError` if something is broken then.
        """
        if seconds is None:
            return
        await asyncio.sleep(seconds)
        self.stop()
        seen = await asyncio.to_thread(monitor.look, self._settings)
        problems = [problem for flow in seen.flows for problem in flow.problems]
        if problems:
            raise StackError("; ".join(problems))

    async def mend(self) -> None:
        """Register missing sinks, start failed tasks again, resume suspended tables."""
        await asyncio.to_thread(monitor.mend, self._settings)

    async def redrive(self) -> None:
        """Take every dead letter again; those that fail once more stay."""
        chosen = await asyncio.to_thread(deadletters.letters, self._settings)
        self._progress.max, self._progress.value = max(len(chosen), 1), 0
        self._progress.layout.display = None
        try:
            done = await deadletters.redrive(
                chosen, self._settings, lambda state: self._advance(state.letters)
            )
        finally:
            self._progress.layout.display = "none"
        if done.failed:
            reasons = "; ".join(sorted({reason for _, reason in done.failed}))
            self._problem.value = alert(
                f"{len(done.failed)} of {done.total} failed again: {reasons}"
            )

    def _advance(self, letters: int) -> None:
        self._progress.value = letters

    async def _live(self) -> None:
        while True:
            self._show(await asyncio.to_thread(monitor.look, self._settings))
            await asyncio.sleep(_REFRESH)

    def _show(self, seen: Pipeline) -> None:
        self._flows.value = "".join(map(_flow, seen.flows))
        self._letters.value = _letters(seen)
        if not self._tasks.busy:
            self._enable(seen)

    async def _settle(self) -> None:
        seen = await asyncio.to_thread(monitor.look, self._settings)
        self._show(seen)
        self._enable(seen)

    def _enable(self, seen: Pipeline) -> None:
        self._mend.disabled, self._redrive.disabled = False, seen.letters is None


def _flow(flow: Flow) -> str:
    state = "running" if not flow.problems else "failed"
    numbers = "".join(
        f"<span><small>{name}</small>{value}</span>" for name, value in _numbers(flow)
    )
    problems = "".join(f"<p>{escape(problem)}</p>" for problem in flow.problems)
    return (
        f'<section class="liq-{state}"><header><b>{escape(flow.topic)}</b><i>{state}</i>'
        f"<small>into table {escape(flow.table)}</small></header>"
        f'<div class="liq-numbers">{numbers}</div>{problems}{_partitions(flow)}</section>'
    )


def _numbers(flow: Flow) -> Iterator[tuple[str, str]]:
    if flow.partitions is not None:
        yield "messages kept", f"{flow.messages:,}"
        yield "sink's lag", f"{flow.lag:,}"
    if flow.sink:
        running = sum(task.state == "RUNNING" for task in flow.sink.tasks)
        yield "sink", flow.sink.state.lower()
        yield "tasks running", f"{running} of {len(flow.sink.tasks)}"
    if flow.wal:
        yield "table", "suspended" if flow.wal.suspended else "writable"
        yield "waiting for the table", f"{flow.wal.pending:,} transactions"


def _partitions(flow: Flow) -> str:
    rows = "".join(map(_partition, flow.partitions or ()))
    head = "<th>partition</th><th>oldest</th><th>next</th><th>read to</th><th>lag</th>"
    return (
        f"<details><summary>partitions</summary><table><tr>{head}</tr>{rows}</table></details>"
        if rows
        else ""
    )


def _partition(at: Partition) -> str:
    read = "-" if at.committed is None else f"{at.committed:,}"
    cells = (f"{at.number}", f"{at.begin:,}", f"{at.end:,}", read, f"{at.lag:,}")
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _letters(seen: Pipeline) -> str:
    if seen.letters is None:
        return ""
    newest = list(reversed(seen.letters))[:_LETTERS]
    rows = "".join(
        f"<tr><td>{escape(one.id)}</td><td>{escape(one.stage)}</td><td>{escape(one.venue)}</td>"
        f"<td>{escape(one.reason)}</td>"
        f"<td><code>{escape((one.value or b'')[:200].decode(errors='replace'))}</code></td></tr>"
        for one in newest
    )
    head = "<th>id</th><th>set aside by</th><th>venue</th><th>reason</th><th>message</th>"
    table = f"<table><tr>{head}</tr>{rows}</table>" if rows else "<small>none</small>"
    return (
        f"<section><header><b>dead letters</b><small>{len(seen.letters):,} not redriven of the"
        f" newest {monitor.NEWEST:,}</small></header>{table}</section>"
    )
