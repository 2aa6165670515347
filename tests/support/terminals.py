"""Programs in a terminal of 80 columns, as a person sees them."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.helpers import PATIENCE_S

WIDTH = 80


@dataclass
class Session:
    """A program in a terminal: what it has shown so far, and its exit code once it has ended."""

    process: "subprocess.Popen[bytes]"
    screen: int
    shown: str = ""
    _raw: bytes = field(default=b"", repr=False)

    def read(self, until: str = "") -> str:
        """Read until ``until`` is shown, or to the program's end; return all that was shown."""
        while not until or until not in self.shown:
            try:
                data = os.read(self.screen, 65536)
            except OSError:  # as Linux says that the other side is closed
                data = b""
            if not data:
                assert not until, f"{until!r} is not shown: {self.shown}"
                self.process.wait(PATIENCE_S)
                break
            self._raw += data
            lines = self._raw.decode(errors="replace").replace("\r\n", "\n").split("\n")
            self.shown = "\n".join(line.rstrip() for line in lines)
        return self.shown

    def press(self, keys: str) -> None:
        """Type into the terminal, e.g. ``\\x03`` for Ctrl-C."""
        os.write(self.screen, keys.encode())


@contextlib.contextmanager
def in_terminal(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    cwd: Path | None = None,
) -> Iterator[Session]:
    """Run a command in a terminal without colours, whose keyboard sends it signals."""
    screen, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    modes = termios.tcgetattr(inside)
    modes[3] &= ~termios.ECHO  # else ^C is shown now and then
    termios.tcsetattr(inside, termios.TCSANOW, modes)
    unset = {"COLUMNS", "LINES", "FORCE_COLOR"}
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    with subprocess.Popen(
        command,
        env=inherited | {"TERM": "dumb", "NO_COLOR": "1"} | dict(environment),
        stdin=inside,
        stdout=inside,
        stderr=inside,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - it takes no lock
        cwd=cwd,
    ) as process:
        os.close(inside)
        try:
            yield Session(process, screen)
        finally:
            process.kill()
            os.close(screen)


def show(*words: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Return what ``liq WORDS`` shows in a terminal of 80 columns."""
    with in_terminal([*LIQ, *words], environment or {}, cwd=cwd) as session:
        return session.read()


LIQ = [sys.executable, "-m", "liq"]


def _take_terminal() -> None:
    """Make the terminal on stdin the one whose Ctrl-C reaches this process."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
