"""The panel of the pipeline: shows lag and failures and repairs them."""

import asyncio
from collections.abc import Iterator

import ipywidgets as widgets
from markupsafe import Markup

from liq.common.html import join, render_row, render_table
from liq.config import Settings, choose_settings
from liq.delivery import deadletters
from liq.delivery.deadletters import Letter
from liq.delivery.messaging import Partition
from liq.errors import StackError
from liq.monitoring import diagnosis, monitor
from liq.monitoring.monitor import Flow, Pipeline
from liq.web.dashboard.markup import render_error
from liq.web.dashboard.panels.base import Panel, render_numbers
from liq.web.dashboard.widgets import Html

_REFRESH = 2.0  # seconds
_SLOW = 3.0  # seconds without a response before the panel says so
_LETTERS = 50


class PipelinePanel(Panel):
    """Shows topics, sinks, tables and dead letters.

    The buttons Repair and Redrive call `repair` and `redrive`. The panel refreshes from `start`
    until `stop`.

    Args:
        settings: Settings of the pipeline; the current ones by default.

    Example:
        panel = PipelinePanel()
        panel.start()
        panel
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = choose_settings(settings)
        self._refreshing: asyncio.Task[None] | None = None
        self._progress = widgets.IntProgress(layout={"display": "none"}, description="Redriving")
        self._flows, self._letters, self._passed = Html(), Html(), Html()
        super().__init__(self._progress, self._flows, self._letters, self._passed)
        self._repair = self._add_button(
            "Repair", self.repair, tooltip="restart failed tasks, resume suspended tables"
        )
        self._redrive = self._add_button(
            "Redrive", self.redrive, tooltip="process every dead letter again"
        )
        self.refresh()

    def refresh(self) -> Pipeline:
        """Show the current state of the pipeline, and return it."""
        seen = monitor.check(self._settings)
        self._show(seen)
        return seen

    def start(self) -> None:
        """Refresh the panel in the kernel's event loop."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._live())

    def stop(self) -> None:
        """Stop refreshing; the last state stays visible."""
        if self._refreshing:
            self._refreshing.cancel()
            self._refreshing = None

    async def watch(self, seconds: float | None) -> None:
        """Watch for ``seconds`` and stop: for unattended runs, e.g. with papermill.

        Args:
            seconds: How long to watch; None returns at once.

        Raises:
            StackError: Something is broken at the end.
        """
        if seconds is None:
            return
        await asyncio.sleep(seconds)
        self.stop()
        seen = await asyncio.to_thread(monitor.check, self._settings)
        problems = [problem for flow in seen.flows for problem in flow.problems]
        if problems:
            raise StackError("; ".join(problems))

    async def repair(self) -> None:
        """Register missing sinks, restart failed tasks and resume suspended tables."""
        await asyncio.to_thread(monitor.repair, self._settings)

    async def redrive(self) -> None:
        """Process every dead letter again; letters that fail once more stay."""
        chosen = await asyncio.to_thread(deadletters.list_letters, self._settings)
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
            self._problem.value = render_error(
                f"{len(done.failed)} of {done.total} failed again: {reasons}"
            )

    def _advance(self, letters: int) -> None:
        self._progress.value = letters

    async def _live(self) -> None:
        while True:
            with self._display:
                self._show(await self._read())
            await asyncio.sleep(_REFRESH)

    async def _read(self) -> Pipeline:
        """Return the state of the pipeline; show the cause if that takes long."""
        reading = asyncio.create_task(asyncio.to_thread(monitor.check, self._settings))
        while not (await asyncio.wait({reading}, timeout=_SLOW))[0]:
            found = await asyncio.to_thread(diagnosis.find_problems, self._settings)
            why = "; ".join(problem.what for problem in found) or "some part responds slowly"
            self._display.show(StackError(why))
        return await reading

    def _show(self, seen: Pipeline) -> None:
        self._flows.value = join(map(_render_flow, seen.flows))
        self._letters.value = _render_letters(seen)
        self._passed.value = _render_passed(seen)
        if not self._tasks.is_busy:
            self._enable(seen)

    async def _update(self) -> None:
        seen = await self._read()
        self._show(seen)
        self._enable(seen)

    def _enable(self, seen: Pipeline) -> None:
        self._repair.disabled, self._redrive.disabled = False, seen.letters is None


def _render_passed(seen: Pipeline) -> Markup:
    if not seen.passed:
        return Markup()
    names = ("feed", "skipped on purpose in the last hour", "too old at receipt")
    rows = (
        render_row((one.exchange, f"{one.passed:,}", f"{one.too_old:,}")) for one in seen.passed
    )
    return render_table(names, rows)


def _render_flow(flow: Flow) -> Markup:
    problem = Markup("<p>{}</p>")
    return Markup(
        '<section class="liq-{state}"><header><b>{topic}</b><i>{state}</i>'
        "<small>into table {table}</small></header>"
        '<div class="liq-numbers">{numbers}</div>{problems}{partitions}</section>'
    ).format(
        state="running" if not flow.problems else "failed",
        topic=flow.topic,
        table=flow.table,
        numbers=render_numbers(_list_numbers(flow)),
        problems=join(map(problem.format, flow.problems)),
        partitions=_render_partitions(flow),
    )


def _list_numbers(flow: Flow) -> Iterator[tuple[str, str]]:
    if flow.partitions is not None:
        yield "messages in topic", f"{flow.messages:,}"
        yield "sink lag", f"{flow.lag:,}"
    if flow.sink:
        running = sum(task.state == "RUNNING" for task in flow.sink.tasks)
        yield "sink", flow.sink.state.lower()
        yield "tasks running", f"{running} of {len(flow.sink.tasks)}"
    if flow.wal:
        yield "table", "suspended" if flow.wal.suspended else "writable"
        yield "write backlog", f"{flow.wal.pending:,} transactions"


def _render_partitions(flow: Flow) -> Markup:
    if not flow.partitions:
        return Markup()
    shown = render_table(
        ("partition", "oldest", "next", "committed", "lag"), map(_render_partition, flow.partitions)
    )
    return Markup("<details><summary>partitions</summary>{}</details>").format(shown)


def _render_partition(at: Partition) -> Markup:
    read = "-" if at.committed is None else f"{at.committed:,}"
    return render_row((at.number, f"{at.begin:,}", f"{at.end:,}", read, f"{at.lag:,}"))


def _render_letters(seen: Pipeline) -> Markup:
    if seen.letters is None:
        return Markup()
    newest = list(reversed(seen.letters))[:_LETTERS]
    head = ("id", "rejected by", "venue", "reason", "message")
    shown = (
        render_table(head, map(_render_letter, newest)) if newest else Markup("<small>none</small>")
    )
    return Markup(
        "<section><header><b>dead letters</b><small>{:,} not redriven of the"
        " newest {:,}</small></header>{}</section>"
    ).format(len(seen.letters), monitor.NEWEST, shown)


def _render_letter(one: Letter) -> Markup:
    message = Markup("<code>{}</code>").format((one.value or b"")[:200].decode(errors="replace"))
    return render_row((one.id, one.stage, one.venue, one.reason, message))
