"""The jars of the stack: built once by Maven from ``connect/``, then kept in the cache.

The folder in the cache is named by a hash of the sources. So a changed pom or sink is built again,
an unchanged one never calls Maven, and several versions can be used side by side.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from liq.common import assets
from liq.config import Settings
from liq.errors import StackError
from liq.stack import toolchain
from liq.stack.lock import lock
from liq.stack.progress import Report

_KEPT = 4  # folders of jars left in the cache, newest use first
_BUILD_S = 3600.0
_DOWNLOADED = re.compile(r"Downloaded from \S+ \S+/(\S+\.jar) ")


def folder(settings: Settings) -> Path:
    """Return where the jars are or will be: ``kafka``, ``questdb``, ``spark`` and ``plugins``."""
    return settings.cache / f"stack-{fingerprint(assets.path('connect'))}"


def ensure(settings: Settings, report: Report) -> None:
    """Build the jars if the cache lacks them; raise `StackError` when Maven is missing or fails."""
    target = folder(settings)
    if not target.is_dir():
        with lock(settings.cache / "lock", _BUILD_S):
            if not target.is_dir():  # another liq may have built it while we waited
                _build(assets.path("connect"), target, report)
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


def _build(source: Path, target: Path, report: Report) -> None:
    toolchain.check_java()
    log = target.parent / "maven.log"
    with (
        tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as scratch,
        toolchain.plain_path(Path(scratch)) as built,
        toolchain.plain_path(source) as sources,
    ):
        command = [
            "env",
            *(f"{name}={value}" for name, value in toolchain.LOCALE.items()),
            toolchain.maven(),
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


def _run(command: list[str], log: Path, report: Report) -> None:
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
