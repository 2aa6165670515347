"""The Java and the Maven found on this machine."""

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from liq.errors import StackError

JAVA = 17
# Java names files by the locale and finds none with an umlaut where that is C; Python does not ask
_UTF8 = sys.getfilesystemencoding() == "utf-8"
LOCALE: Mapping[str, str] = {"LC_ALL": "C.UTF-8"} if _UTF8 else {}


def is_plain(path: Path) -> bool:
    """Return whether a path is the same in an address, so that no reader of one can misread it."""
    return quote(str(path)) == str(path)


@contextlib.contextmanager
def plain_path(folder: Path) -> Iterator[Path]:
    """Give a path to ``folder`` that no program misreads: a link's, where its own has a blank, say.

    Maven takes a backslash for a slash, and Spark parts of a name for a pattern.
    """
    if is_plain(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="liq-") as place:
        link = Path(place, "link")
        link.symlink_to(folder)
        yield link


def check_java() -> None:
    """Raise `StackError` if there is no ``java`` or it is older than 17."""
    found = shutil.which("java")
    if not found:
        raise StackError(
            f"java is not on the PATH; install a JDK {JAVA} or later (Debian: openjdk-17-jdk)"
        )
    version = _java_version(found)
    if version < JAVA:
        raise StackError(
            f"{found} is Java {version}, but Kafka needs {JAVA} or later; "
            "install a newer JDK and put its bin folder first in PATH"
        )


def maven() -> str:
    """Return the path of ``mvn``; raise `StackError` if there is none."""
    found = shutil.which("mvn")
    if not found:
        raise StackError("mvn is not on the PATH; install Maven 3.6 or later (Debian: maven)")
    return found


def _java_version(path: str) -> int:
    try:
        done = subprocess.run(
            [path, "-version"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StackError(f"{path} does not run: {error}; install a JDK {JAVA}") from error
    # 'openjdk version "17.0.15" 2025-04-15'; up to Java 8 it was "1.8.0_412"
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    if not match:
        raise StackError(f"{path} -version does not say its version; install a JDK {JAVA}")
    return int(match[1])
