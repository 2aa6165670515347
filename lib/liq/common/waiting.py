"""Wait: a pause that doubles with each failure, for a condition, or for SIGINT and SIGTERM.

`show_wait` shows people what they wait for.
"""

import asyncio
import contextlib
import contextvars
import math
import multiprocessing
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TextIO

_DOUBLINGS = 60  # 2.0**1024 is an OverflowError
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_TICK_S = 1.0  # between two states of a line
_CLEAR_S = 2.0  # a terminal that Ctrl-S stopped takes nothing
_interrupted = threading.Event()
# one line at a time; in a forked child it may stay locked, and the child then shows none
_turn = threading.Lock()


def pause_s(failures: int, first_s: float, longest_s: float = math.inf) -> float:
    """Return the pause after ``failures`` in a row: 0, then ``first_s``, doubled with each."""
    if not failures:
        return 0.0
    return min(first_s * 2.0 ** min(failures - 1, _DOUBLINGS), longest_s)


def poll_until(condition: Callable[[], object], seconds: float, *, every_s: float) -> bool:
    """Wait at most ``seconds`` until ``condition`` is true; return whether it is."""
    end = time.monotonic() + seconds
    while not condition():
        if (left := end - time.monotonic()) <= 0:
            return False
        time.sleep(min(every_s, left))
    return True


@contextlib.contextmanager
def catch_signals() -> Iterator[asyncio.Event]:
    """Yield an event that SIGINT and SIGTERM set, instead of ending the program."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()

    def end(number: signal.Signals) -> None:
        if number is signal.SIGINT:
            _interrupted.set()
        event.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, end, number)
    try:
        yield event
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def was_interrupted() -> bool:
    """Return whether `catch_signals` has received a SIGINT, as Ctrl-C sends."""
    return _interrupted.is_set()


async def wait(seconds: float, event: asyncio.Event) -> bool:
    """Wait at most ``seconds`` for ``event``; return whether it is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


async def cancel_all(tasks: Sequence[asyncio.Task[None]]) -> list[BaseException]:
    """Cancel tasks and wait for their end; return the errors of those that failed."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return [error for task in tasks if not task.cancelled() and (error := task.exception())]


@contextlib.contextmanager
def show_wait(what: str, after_s: float) -> Iterator[None]:
    """Show ``still {what}, 3 s ...`` once the block takes longer than ``after_s``, until its end.

    The line is an output of the notebook's cell, or is on stderr of a terminal. It disappears.
    Pipes and files get nothing, nor do notebooks that nobody watches, such as papermill's. Of
    several threads that wait, the one that shows its line first goes on until it ends. Safe in any
    thread, and in children of `multiprocessing`, which show nothing.
    """
    line = _choose_line() if after_s < threading.TIMEOUT_MAX else None
    if line is None:
        yield
        return
    ended = threading.Event()
    # the context says which cell the output belongs to
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(_report, line, what, after_s, ended), daemon=True)
    try:
        with contextlib.suppress(RuntimeError):  # no more threads: what is waited for goes on
            thread.start()
        yield
    finally:
        ended.set()
        if thread.ident:
            thread.join(_CLEAR_S)


@contextlib.contextmanager
def hold_screen() -> Iterator[None]:
    """Show no line of `show_wait`, of any thread, within a block that shows its own progress."""
    is_held = _turn.acquire(blocking=False)
    try:
        yield
    finally:
        if is_held:
            _turn.release()


class _Line(Protocol):
    """A line that a later one replaces."""

    def show(self, text: str) -> None: ...

    def clear(self) -> None: ...


class _TerminalLine:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_shown = False

    def show(self, text: str) -> None:
        from rich.console import Console  # noqa: PLC0415 - most waits are short

        console = Console(file=self._stream)
        if not console.is_dumb_terminal:  # which has no way to clear a line
            shown = "".join(each if each.isprintable() else "?" for each in text)
            self._write(shown[: console.width - 1])
            self._is_shown = True

    def clear(self) -> None:
        if self._is_shown:
            self._write("")

    def _write(self, text: str) -> None:
        self._stream.write(f"\r{text}\x1b[K")
        self._stream.flush()


class _CellLine:
    """An output of a cell; notebooks are saved with an empty one in its place."""

    def __init__(self, request: str) -> None:
        self._request = request
        self._id = ""

    def show(self, text: str) -> None:
        from IPython.display import display, update_display  # noqa: PLC0415 - not without IPython

        data: dict[str, Any] = {"text/plain": text}
        if self._id:
            update_display(data, display_id=self._id, raw=True)  # type: ignore[no-untyped-call]
        elif not _is_captured(self._request):
            self._id = secrets.token_hex(8)
            display(data, display_id=self._id, raw=True)  # type: ignore[no-untyped-call]

    def clear(self) -> None:
        from IPython.display import update_display  # noqa: PLC0415 - as above

        if self._id:
            update_display({}, display_id=self._id, raw=True)  # type: ignore[no-untyped-call]


def _is_captured(request: str) -> bool:
    """Whether the cell's outputs are kept, as by ``with Output():`` or ``%%capture``.

    Neither updates them, so that the line would stay.
    """
    from IPython import get_ipython  # noqa: PLC0415 - as above
    from IPython.core.displaypub import CapturingDisplayPublisher  # noqa: PLC0415 - as above

    if isinstance(get_ipython().display_pub, CapturingDisplayPublisher):
        return True
    widgets = sys.modules.get("ipywidgets")
    if widgets is None:
        return False
    states = widgets.Widget.get_manager_state(drop_defaults=True)["state"].values()
    return any(each["state"].get("msg_id") == request for each in states)


def _choose_line() -> _Line | None:
    """Return the line that the person who waits sees; None if nobody does."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if kernel := getattr(shell, "kernel", None):
        request = shell.get_parent()
        return _CellLine(request["header"]["msg_id"]) if _is_watched(kernel, request) else None
    with contextlib.suppress(ValueError):  # a closed file
        if sys.stderr and sys.stderr.isatty() and not multiprocessing.parent_process():
            return _TerminalLine(sys.stderr)
    return None


def _is_watched(kernel: Any, request: Mapping[str, Any]) -> bool:
    """Whether a person runs the cell: programs such as papermill allow no input.

    What a widget calls has no cell. Forked children cannot send.
    """
    return (
        kernel.session.pid == os.getpid()
        and request.get("msg_type") == "execute_request"
        and bool(request["content"].get("allow_stdin"))
    )


def _report(line: _Line, what: str, after_s: float, ended: threading.Event) -> None:
    """Show a line once a second until ``ended``."""
    begun = time.monotonic()
    if ended.wait(after_s):
        return
    while not _turn.acquire(timeout=_TICK_S):
        if ended.is_set():
            return
    # the line is not worth an error of what is waited for
    with contextlib.suppress(Exception):
        try:
            while not ended.is_set():
                line.show(f"still {what}, {time.monotonic() - begun:.0f} s ...")
                ended.wait(_TICK_S)
            line.clear()
        finally:
            _turn.release()
