"""Look which pinned packages have known vulnerabilities: `make audit`.

It checks what uv.lock pins and the jars of dist/jars.cdx.json, which `make sbom` writes. Advisories
are in OSV's format. They come from files that somebody brought along (``--advisories``, repeatable:
a checkout of github.com/pypa/advisory-database, of github.com/github/advisory-database, or a zip
file of https://storage.googleapis.com/osv-vulnerabilities/), else from OSV's API.

It exits with 1 for a vulnerability that nobody accepted, with 2 for wrong use, else with 0. Without
any source it says so and exits with 0: nothing was audited, and nothing was found.
"""

import argparse
import json
import re
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import yaml
from packaging.utils import canonicalize_name
from packaging.version import Version
from univers.versions import MavenVersion

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "uv.lock"
JARS = ROOT / "dist" / "jars.cdx.json"
ACCEPTED = ROOT / "tools" / "accepted-advisories.toml"
OSV = "https://api.osv.dev"
PYPI, MAVEN = "PyPI", "Maven"
STALE = timedelta(days=30)
_TIMEOUT_S = 20.0
_BATCH = 500
_MODIFIED = re.compile(r"""["']?\bmodified["']?\s*:\s*["']?(\d{4}-\d\d-\d\d)""")
_NAME = re.compile(r"""["']?\bname["']?\s*:\s*["']?([^"',\s}]+)""")
_RELEASE = re.compile(r"[.-]release$", re.IGNORECASE)


class AuditError(Exception):
    """The audit cannot be done as asked; the text says why and what to do."""


@dataclass(frozen=True, order=True)
class Package:
    """A pinned package; a jar's name is ``group:artifact``."""

    ecosystem: str
    name: str
    version: str


@dataclass(frozen=True)
class Finding:
    """A package that an advisory is about; ``fixed`` are versions without the fault, if any are."""

    package: Package
    id: str
    aliases: tuple[str, ...]
    fixed: tuple[str, ...]
    summary: str

    @property
    def names(self) -> set[str]:
        """All ids that the vulnerability is known by."""
        return {self.id, *self.aliases}


@dataclass
class AdvisorySource:
    """Advisories from one place: all that may concern the packages, and what to say of the place.

    ``newest`` is the day of its newest change. ``unclear`` lists advisories that cannot be read.
    """

    name: str
    count: int
    newest: date | None
    advisories: list[dict[str, Any]]
    unclear: list[str]


@dataclass(frozen=True)
class Accepted:
    """A vulnerability that was reviewed and accepted until a day, with the reason."""

    id: str
    reason: str
    until: date


def read_lock(file: Path = LOCK) -> list[Package]:
    """Return the packages of an index that uv.lock pins, for every platform and extra."""
    entries = tomllib.loads(file.read_text())["package"]
    return sorted(
        Package(PYPI, canonicalize_name(entry["name"]), entry["version"])
        for entry in entries
        if "registry" in entry["source"]
    )


def jars(file: Path = JARS) -> list[Package]:
    """Return the jars of others that a bill of materials lists, none where it was not made."""
    if not file.exists():
        return []
    purls = (component.get("purl", "") for component in json.loads(file.read_text())["components"])
    found = (_jar(purl) for purl in purls if purl.startswith("pkg:maven/"))
    return sorted(package for package in found if not package.name.startswith("io.liq:"))


def _jar(purl: str) -> Package:
    path, _, version = purl.partition("?")[0].removeprefix("pkg:maven/").rpartition("@")
    return Package(MAVEN, unquote(path.replace("/", ":")), unquote(version))


def read(place: Path, packages: Iterable[Package]) -> AdvisorySource:
    """Read advisories in OSV's format, YAML or JSON, from a file, a folder or a zip file.

    Raises `AuditError` where there are none.
    """
    wanted = {package.name.lower() for package in packages}
    source = AdvisorySource(str(place), 0, None, [], [])
    for name, text in _texts(place):
        source.count += 1
        days = [date.fromisoformat(day) for day in _MODIFIED.findall(text)]
        source.newest = max([*days, *([source.newest] if source.newest else [])], default=None)
        # most advisories concern others, and YAML takes its time
        if not any(_spelt(found) in wanted for found in _NAME.findall(text)):
            continue
        try:
            parsed = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
            source.advisories += parsed if isinstance(parsed, list) else [dict(parsed)]
        except (ValueError, TypeError, yaml.YAMLError) as error:
            source.unclear.append(f"{name}: {error}")
    if not source.count:
        raise AuditError(f"{place} holds no advisories: neither .yaml nor .json files")
    return source


def _spelt(name: str) -> str:
    return name.lower() if ":" in name else canonicalize_name(name)


def _texts(place: Path) -> Iterator[tuple[str, str]]:
    suffixes = (".yaml", ".yml", ".json")
    if place.is_dir():
        for file in sorted(place.rglob("*")):
            parts = file.relative_to(place).parts
            if file.suffix in suffixes and not any(part.startswith(".") for part in parts):
                yield str(file), file.read_text()
    elif zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(suffixes):
                    yield f"{place}/{name}", archive.read(name).decode()
    elif place.is_file():
        yield str(place), place.read_text()
    else:
        raise AuditError(f"there is no {place}")


def ask(packages: Sequence[Package], url: str = OSV) -> AdvisorySource:
    """Ask OSV's API about the packages. Raises `AuditError` if it cannot be asked."""
    try:
        with httpx.Client(base_url=url, timeout=_TIMEOUT_S) as client:
            ids = sorted(set(_ids(client, packages)))
            advisories = [_answer(client.get(f"/v1/vulns/{one}")) for one in ids]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise AuditError(f"{url} cannot be asked: {error}") from error
    return AdvisorySource(url, len(advisories), datetime.now(UTC).date(), advisories, [])


def _ids(client: httpx.Client, packages: Sequence[Package]) -> Iterator[str]:
    queries = [
        {"package": {"name": one.name, "ecosystem": one.ecosystem}, "version": one.version}
        for one in packages
    ]
    while queries:
        now, queries = queries[:_BATCH], queries[_BATCH:]
        results = _answer(client.post("/v1/querybatch", json={"queries": now}))["results"]
        for query, result in zip(now, results, strict=True):
            yield from (one["id"] for one in result.get("vulns", ()))
            if token := result.get("next_page_token"):
                queries.append({**query, "page_token": token})


def _answer(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    return dict(response.json())


def find(packages: Iterable[Package], sources: Iterable[AdvisorySource]) -> list[Finding]:
    """Return which advisories concern which packages; the same fault of two sources comes once.

    An advisory whose versions cannot be compared is added to what is unclear of its source.
    """
    by_name: dict[tuple[str, str], list[Package]] = {}
    for package in packages:
        by_name.setdefault((package.ecosystem, package.name.lower()), []).append(package)
    found: list[Finding] = []
    for source in sources:
        for advisory in source.advisories:
            try:
                for one in _findings(advisory, by_name):
                    _add(found, one)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                source.unclear.append(f"{advisory.get('id', advisory)}: {error!r}")
    return sorted(found, key=lambda one: (one.package, one.id))


def _findings(
    advisory: Mapping[str, Any], by_name: Mapping[tuple[str, str], Sequence[Package]]
) -> Iterator[Finding]:
    if advisory.get("withdrawn"):
        return
    for affected in advisory.get("affected") or ():
        about = affected.get("package") or {}
        ecosystem = str(about.get("ecosystem", "")).partition(":")[0]
        for package in by_name.get((ecosystem, _spelt(str(about.get("name", "")))), ()):
            if concerns(affected, package):
                yield _finding(package, advisory, affected)


def _finding(package: Package, advisory: Mapping[str, Any], affected: Mapping[str, Any]) -> Finding:
    events = (event for one in affected.get("ranges") or () for event in one.get("events") or ())
    details = str(advisory.get("summary") or advisory.get("details") or "").strip()
    return Finding(
        package,
        str(advisory["id"]),
        tuple(advisory.get("aliases") or ()),
        tuple(dict.fromkeys(str(event["fixed"]) for event in events if "fixed" in event)),
        details.partition("\n")[0][:120],
    )


def _add(found: list[Finding], new: Finding) -> None:
    if not any(one.package == new.package and one.names & new.names for one in found):
        found.append(new)


def concerns(affected: Mapping[str, Any], package: Package) -> bool:
    """Return whether a package's version is listed, or in a range, as OSV's schema evaluates it."""
    order = _order(package.ecosystem)
    version = order(package.version)
    for listed in affected.get("versions") or ():
        try:
            if order(str(listed)) == version:
                return True
        except ValueError:
            continue  # an old spelling, which is not the one of a pinned version
    ranges = affected.get("ranges") or ()
    return any(_in_range(one, version, order) for one in ranges if one.get("type") != "GIT")


def _in_range(given: Mapping[str, Any], version: Any, order: Callable[[str], Any]) -> bool:
    events = [(kind, str(at)) for event in given.get("events") or () for kind, at in event.items()]
    # what is introduced by 0 is there from the first version on, however early that sorts
    inside = ("introduced", "0") in events
    later = [(kind, order(at)) for kind, at in events if (kind, at) != ("introduced", "0")]
    for kind, at in sorted(later, key=lambda one: one[1]):
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind in ("fixed", "limit") and version >= at) or (
            kind == "last_affected" and version > at
        ):
            inside = False
    return inside


def _order(ecosystem: str) -> Callable[[str], Any]:
    if ecosystem == PYPI:
        return Version
    # an alias of "final", which the library's order does not have
    return lambda text: MavenVersion(_RELEASE.sub("", text))


def read_accepted(file: Path = ACCEPTED) -> list[Accepted]:
    """Return what was accepted. Raises `AuditError` for an entry without reason or day."""
    entries = tomllib.loads(file.read_text()).get("accepted", []) if file.exists() else []
    try:
        made = [Accepted(one["id"], one["reason"], one["until"]) for one in entries]
    except KeyError as error:
        raise AuditError(f"{file}: an entry has no {error}") from error
    for one in made:
        if not one.reason.strip() or not isinstance(one.until, date):
            raise AuditError(f"{file}: {one.id} needs a reason, and a day in `until = 2030-12-31`")
    return made


def report(findings: Sequence[Finding], excuses: Sequence[Accepted], today: date) -> bool:
    """Print the findings; return whether one of them is not accepted today."""
    open_ = False
    for one in findings:
        excuse = next((each for each in excuses if each.id in one.names), None)
        if excuse and excuse.until >= today:
            verdict = f"accepted until {excuse.until}: {excuse.reason}"
        else:
            open_ = True
            verdict = f"fixed in {', '.join(one.fixed)}" if one.fixed else "not fixed yet"
            if excuse:
                verdict += f"; it was accepted until {excuse.until}"
        names = ", ".join([one.id, *one.aliases])
        package = one.package
        print(f"{package.name} {package.version}: {names}: {verdict}\n    {one.summary}")
    for excuse in excuses:
        if not any(excuse.id in one.names for one in findings):
            print(f"{excuse.id} is accepted, and not found any more: {excuse.reason}")
    return open_


def sources(
    places: Sequence[Path], packages: Sequence[Package], url: str, today: date
) -> list[AdvisorySource]:
    """Return the advisories, and print what they are: files if there are, else those of the API."""
    if places:
        found = [read(place, packages) for place in places]
    else:
        try:
            found = [ask(packages, url)]
        except AuditError as error:
            print(
                f"NOT AUDITED: no advisory source. {error}; bring one along, see tools/audit.py",
                file=sys.stderr,
            )
            return []
    for source in found:
        print(f"{source.name}: {source.count:,} advisories, the newest of {source.newest}")
        if source.newest is None or today - source.newest > STALE:
            print(
                f"STALE: {source.name} ends on {source.newest}; later ones are not known here",
                file=sys.stderr,
            )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="audit", description="Look which pinned packages have known vulnerabilities."
    )
    parser.add_argument("--advisories", type=Path, action="append", default=[], metavar="PLACE")
    parser.add_argument("--osv", default=OSV, metavar="URL", help="the API to ask without files")
    parser.add_argument("--lock", type=Path, default=LOCK, help="a uv.lock")
    parser.add_argument("--jars", type=Path, default=JARS, help="a bill of materials, CycloneDX")
    parser.add_argument("--accepted", type=Path, default=ACCEPTED, help="accepted findings, TOML")
    given = parser.parse_args(arguments)
    today = datetime.now(UTC).date()
    try:
        python, java = read_lock(given.lock), jars(given.jars)
        if not java:
            print("jars: NOT AUDITED, `make sbom` lists them first", file=sys.stderr)
        excuses = read_accepted(given.accepted)
        found = sources(given.advisories, [*python, *java], given.osv, today)
    except (AuditError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not found:
        return 0
    known = find([*python, *java], found)
    for unclear in (each for source in found for each in source.unclear):
        print(f"NOT AUDITED: an advisory cannot be read, {unclear}", file=sys.stderr)
    open_ = report(known, excuses, today)
    print(f"checked {len(python)} Python packages and {len(java)} jars: {len(known)} findings")
    return 1 if open_ else 0


if __name__ == "__main__":
    sys.exit(main())
