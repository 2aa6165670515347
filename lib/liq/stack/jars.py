"""The jars of the stack: those that ``connect/jars.txt`` pins, and the sink, compiled from source.

The folder in the cache is named by a hash of the list and the sources. So a changed pin or sink is
built again, an unchanged one costs nothing, and several versions can be used side by side. Versions
share the jars that they have in common.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from liq.common import files
from liq.common.text import describe_error
from liq.config import Settings
from liq.errors import StackError
from liq.stack import java
from liq.stack.java import plain_path
from liq.stack.process import lock
from liq.stack.service import Download, OnEvent

_KEPT = 4  # folders of jars left in the cache, newest use first
_BUILD_S = 3600.0
_COMPILE_S = 300.0
_EPOCH = (2025, 1, 1, 0, 0, 0)  # of the sink's files: the same source gives the same bytes
_SINK = "plugins/liq-sink"
_UNFINISHED = "build-"


def find_folder(settings: Settings) -> Path:
    """Return where the jars are or will be: ``kafka``, ``questdb``, ``spark`` and ``plugins``."""
    return settings.cache / f"stack-{fingerprint(files.find_asset('connect'))}"


def ensure(settings: Settings, report: OnEvent) -> None:
    """Download and compile what the cache lacks. Raises `StackError` if one of them fails."""
    target = find_folder(settings)
    if not target.is_dir():
        with lock(settings.cache / "lock", _BUILD_S):
            if not target.is_dir():  # another liq may have built it while we waited
                try:
                    _build(settings, target, report)
                    _prune(settings.cache)
                except OSError as error:
                    reason = describe_error(error)
                    raise StackError(f"cannot write below {settings.cache}: {reason}") from error
    with contextlib.suppress(OSError):  # an image's cache cannot be written to
        os.utime(target)


def fingerprint(source: Path) -> str:
    """Return a hash of all that decides what is in the folder: list, sink and liq's version."""
    found = (file for file in (source / "sink" / "src" / "main").rglob("*") if file.is_file())
    digest = hashlib.sha256(version("liq").encode())
    for file in sorted([source / "jars.txt", *found]):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(source)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _build(settings: Settings, target: Path, report: OnEvent) -> None:
    from liq.stack import downloads  # noqa: PLC0415 - httpx would slow all commands

    source, store = files.find_asset("connect"), _store(settings.cache)
    jars = downloads.read_list(source / "jars.txt")
    downloads.fetch(
        jars, store, settings.maven_mirror, lambda *done: report("jars", Download(*done))
    )
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=_UNFINISHED) as scratch:
        built = Path(scratch, "stack")
        for jar in jars:
            for folder in jar.folders:
                _share(store / jar.name, built / folder / jar.name)
        report("sink", "compiling")
        with plain_path(built) as place, plain_path(source / "sink" / "src" / "main") as code:
            _compile(code / "java", place, Path(scratch))
        _pack([source / "sink" / "src" / "main" / "resources", Path(scratch, "classes")], built)
        java.archive_own_classes(built)
        built.rename(target)
    report("jars", f"ready in {target}")


def _store(cache: Path) -> Path:
    return cache / "jars"


def _share(file: Path, place: Path) -> None:
    """Link a file, or copy it where the file system has no such links."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.hardlink_to(file)
    except OSError:
        shutil.copy(file, place)


def _compile(code: Path, built: Path, scratch: Path) -> None:
    """Compile the sink, by a compiler that needs no JDK."""
    compiler, *_ = (built / "compiler").glob("*.jar")
    needed = [*(built / "kafka").glob("*.jar"), *(built / _SINK).glob("*.jar")]
    java.run(
        *("-jar", str(compiler)),
        *(f"-{java.OLDEST}", "-g", "-encoding", "UTF-8", "-proc:none"),
        *("-classpath", os.pathsep.join(map(str, needed))),
        *("-d", str(scratch / "classes"), str(code)),
        task="compiling the sink",
        seconds=_COMPILE_S,
    )


def _pack(folders: Sequence[Path], built: Path) -> None:
    """Write the sink's jar, of all files below ``folders``."""
    release = version("liq")
    # the sink reads its version there
    manifest = f"Manifest-Version: 1.0\nImplementation-Version: {release}\n\n"
    with zipfile.ZipFile(built / _SINK / f"liq-sink-{release}.jar", "w") as jar:
        _add(jar, "META-INF/MANIFEST.MF", manifest.encode())
        for folder in folders:
            for file in sorted(each for each in folder.rglob("*") if each.is_file()):
                _add(jar, file.relative_to(folder).as_posix(), file.read_bytes())


def _add(jar: zipfile.ZipFile, name: str, content: bytes) -> None:
    jar.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)


def _prune(cache: Path) -> None:
    """Delete the folders unused for longest, those of killed builds, and downloads of no folder."""
    folders = sorted(cache.glob("stack-*"), key=lambda folder: folder.stat().st_mtime)
    for stale in [*folders[:-_KEPT], *cache.glob(f"{_UNFINISHED}*")]:
        shutil.rmtree(stale, ignore_errors=True)
    for file in _store(cache).iterdir():
        if file.stat().st_nlink == 1:
            file.unlink()
