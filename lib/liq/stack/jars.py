"""The Java, the Maven and the jars of the stack, which Maven builds from ``connect/`` once.

The folder in the cache is named by a hash of the sources. So a changed pom or sink is built again,
an unchanged one never calls Maven, and several versions can be used side by side.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from liq.common import files
from liq.config import Settings
from liq.errors import StackError
from liq.stack.process import lock
from liq.stack.service import OnEvent

_KEPT = 4  # folders of jars left in the cache, newest use first
_BUILD_S = 3600.0
_DOWNLOADED = re.compile(r"Downloaded from \S+ \S+/(\S+\.jar) ")
JAVA = 17
# Java names files by the locale and finds none with an umlaut where that is C; Python does not ask
_UTF8 = sys.getfilesystemencoding() == "utf-8"
LOCALE: Mapping[str, str] = {"LC_ALL": "C.UTF-8"} if _UTF8 else {}


def find_folder(settings: Settings) -> Path:
    """Return where the jars are or will be: ``kafka``, ``questdb``, ``spark`` and ``plugins``."""
    return settings.cache / f"stack-{fingerprint(files.find_asset('connect'))}"


def ensure(settings: Settings, report: OnEvent) -> None:
    """Build the jars if the cache lacks them; raise `StackError` when Maven is missing or fails."""
    target = find_folder(settings)
    if not target.is_dir():
        with lock(settings.cache / "lock", _BUILD_S):
            if not target.is_dir():  # another liq may have built it while we waited
                _build(files.find_asset("connect"), target, report)
                _prune(settings.cache)
    with contextlib.suppress(OSError):  # an image's cache cannot be written to
        os.utime(target)


def fingerprint(source: Path) -> str:
    """Return a hash of everything under ``source`` that decides what Maven builds."""
    files = [*source.rglob("pom.xml"), *(f for f in source.rglob("src/main/**/*") if f.is_file())]
    digest = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(source)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _build(source: Path, target: Path, report: OnEvent) -> None:
    check_java()
    log = target.parent / "maven.log"
    with (
        tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as scratch,
        plain_path(Path(scratch)) as built,
        plain_path(source) as sources,
    ):
        command = [
            "env",
            *(f"{name}={value}" for name, value in LOCALE.items()),
            maven(),
            "--batch-mode",
            "-Dstyle.color=never",
            "--file",
            str(sources / "pom.xml"),
            "package",
            "-DskipTests",
            # a stalled download is given up; by default half an hour later
            "-Daether.connector.connectTimeout=10000",
            "-Daether.connector.requestTimeout=60000",
            f"-Dliq.dist={built}/dist",
            f"-Dliq.build={built}/build",
        ]
        _run(command, log, report)
        Path(scratch, "dist").rename(target)
    report("maven", f"built {target}")


def _run(command: list[str], log: Path, report: OnEvent) -> None:
    report("maven", "resolving Kafka, Kafka Connect and QuestDB")
    jars = 0
    faults: list[str] = []
    with (
        log.open("w") as copy,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as mvn,
        _killed_after(mvn, _BUILD_S) as late,
    ):
        for line in mvn.stdout or ():
            copy.write(line)
            if match := _DOWNLOADED.search(line):
                jars += 1
                report("maven", f"downloaded {jars} jars: {match[1]}")
            elif line.startswith("[ERROR] "):
                faults.append(line.removeprefix("[ERROR] ").strip())
    if late.is_set():
        raise StackError(f"Maven did not end within {_BUILD_S / 60:.0f} minutes; see {log}")
    if mvn.returncode:
        # the line that sums up follows what the compiler said
        summary = (
            [line for line in faults if line.startswith("Failed")] or faults or ["no reason given"]
        )
        raise StackError(
            f"Maven failed: {summary[0]}; see {log}. "
            "It needs a JDK, and the first time a Maven repository within reach"
        )


@contextlib.contextmanager
def _killed_after(process: subprocess.Popen[str], seconds: float) -> Iterator[threading.Event]:
    """Kill ``process`` unless the block ends before; the event says that it was."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _prune(cache: Path) -> None:
    folders = sorted(cache.glob("stack-*"), key=lambda folder: folder.stat().st_mtime)
    for stale in folders[:-_KEPT]:
        shutil.rmtree(stale, ignore_errors=True)


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
