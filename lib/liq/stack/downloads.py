"""Download the jars that ``connect/jars.txt`` pins, from Maven Central or a mirror of it.

What has arrived is kept when the connection breaks or the program ends, and the next try asks for
the rest only. A jar gets its name once its SHA-256 is right.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from liq.common import http
from liq.common.text import describe_error
from liq.common.waiting import pause_s
from liq.errors import StackError

OnBytes = Callable[[int, int], None]
"""Called with the bytes that have arrived and the bytes of all, for each percent."""

_AT_ONCE = 8
_TRIES = 4  # of each jar
_FIRST_PAUSE_S = 0.5
_SILENCE_S = 30.0  # after which a connection counts as broken
_JAR_S = 3600.0  # for the longest jar by the slowest line
_PASSING = {408, 429, 500, 502, 503, 504}  # answers of a server that may soon have another


@dataclass(frozen=True, slots=True)
class Jar:
    """A line of ``jars.txt``: what a jar must be, and the folders of the stack that need it."""

    sha256: str
    size: int
    folders: tuple[str, ...]
    coordinates: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Return the jar of a line."""
        sha256, size, folders, coordinates = line.split()
        return cls(sha256, int(size), tuple(folders.split(",")), coordinates)

    @property
    def path(self) -> str:
        """Where a Maven repository has it, e.g. ``junit/junit/4.13/junit-4.13.jar``."""
        group, artifact, version, *_ = self.coordinates.split(":")
        return f"{group.replace('.', '/')}/{artifact}/{version}/{self.name}"

    @property
    def name(self) -> str:
        """The name of its file."""
        return "-".join(self.coordinates.split(":")[1:]) + ".jar"


def read_list(file: Path) -> list[Jar]:
    """Return the jars of a ``jars.txt``, whose comments begin with ``#``."""
    lines = file.read_text().splitlines()
    return [Jar.parse(line) for line in lines if not line.startswith("#")]


def fetch(jars: Sequence[Jar], folder: Path, mirror: str, report: OnBytes) -> None:
    """Download those of ``jars`` that ``folder`` lacks, several at once.

    Raises `StackError` if the repository is away or has other files, and `OSError` if the folder
    cannot be written to.
    """
    lacking = [jar for jar in jars if not _is_whole(folder / jar.name, jar)]
    if not lacking:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with _connect(mirror) as client:
        download = _Download(client, folder, _Sum(lacking, report))
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            # the longest first, so that none is left over at the end
            list(pool.map(download.fetch, sorted(lacking, key=lambda jar: -jar.size)))
        finally:  # an error, or Ctrl-C, ends the others too
            download.ended.set()
            pool.shutdown(cancel_futures=True)


def _connect(mirror: str) -> http.Client:
    """Return a client of the repository, whose login is in no URL, since httpx logs those."""
    try:
        url = httpx.URL(mirror.rstrip("/") + "/")
        login = (url.username, url.password) if url.userinfo else None
        place = url.copy_with(username=None, password=None)
        return http.Client(_JAR_S, follow_redirects=True, base_url=place, auth=login)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # the text of InvalidURL quotes the URL, which may hold a password
        reason = "LIQ_MAVEN_MIRROR is no URL" if isinstance(error, httpx.InvalidURL) else error
        raise StackError(f"cannot download jars: {reason}") from error


class _Sum:
    """The bytes of all jars that have arrived."""

    def __init__(self, jars: Sequence[Jar], report: OnBytes) -> None:
        self._total = sum(jar.size for jar in jars)
        self._report = report
        self._arrived: dict[Jar, int] = {}
        self._percent = -1
        self._lock = threading.Lock()

    def note(self, jar: Jar, arrived: int) -> None:
        with self._lock:
            self._arrived[jar] = arrived
            done = sum(self._arrived.values())
            if (percent := 100 * done // self._total) > self._percent:
                self._percent = percent
                self._report(done, self._total)


class _WrongFileError(Exception):
    """What has arrived is not the jar."""


class _Download:
    def __init__(self, client: http.Client, folder: Path, arrived: _Sum) -> None:
        self._client = client
        self._folder = folder
        self._arrived = arrived
        self.ended = threading.Event()

    def fetch(self, jar: Jar) -> None:
        """Download a jar, with further tries where that may help. Raises `StackError`."""
        for tries in range(1, _TRIES + 1):
            try:
                return self._continue(jar)
            except (httpx.HTTPError, _WrongFileError) as error:
                if tries == _TRIES or not _may_pass(error):
                    raise StackError(
                        f"cannot download {jar.name} from {self._client.base_url.host}:"
                        f" {_explain(error)}; try again to continue, or name another repository by"
                        " LIQ_MAVEN_MIRROR"
                    ) from error
            if self.ended.wait(pause_s(tries, _FIRST_PAUSE_S)):
                break
        return None

    def _continue(self, jar: Jar) -> None:
        """Download what the part of an earlier try lacks, and name the file if it is right."""
        part = self._folder / f"{jar.name}.part"
        arrived = part.stat().st_size if part.exists() else 0
        if arrived < jar.size:
            self._append(jar, part, arrived)
        if self.ended.is_set():
            return
        if not _is_whole(part, jar):
            part.unlink()
            raise _WrongFileError("the file has another SHA-256 than connect/jars.txt")
        part.replace(self._folder / jar.name)

    def _append(self, jar: Jar, part: Path, arrived: int) -> None:
        headers = {"Accept-Encoding": "identity"}
        if arrived:
            headers["Range"] = f"bytes={arrived}-"
        with (
            http.within(_JAR_S),
            self._client.stream("GET", jar.path, headers=headers, timeout=_SILENCE_S) as answer,
        ):
            if arrived and answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink()
                raise _WrongFileError("the file is shorter than the part that is here")
            answer.raise_for_status()
            if answer.status_code != httpx.codes.PARTIAL_CONTENT:
                arrived = 0
            with part.open("r+b" if arrived else "wb") as file:
                file.seek(arrived)
                for piece in answer.iter_raw():
                    file.write(piece)
                    arrived += len(piece)
                    self._arrived.note(jar, min(arrived, jar.size))
                    if self.ended.is_set() or arrived > jar.size:
                        return


def _is_whole(file: Path, jar: Jar) -> bool:
    if not file.exists() or file.stat().st_size != jar.size:
        return False
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest() == jar.sha256


def _may_pass(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _PASSING
    return isinstance(error, httpx.TransportError | _WrongFileError)


def _explain(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):  # its own text has the address, and lines
        return f"the answer is {error.response.status_code} {error.response.reason_phrase}"
    return describe_error(error)
