"""The audit, on advisories that are made up, against an API that is a real server."""

import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import audit
import pytest
import yaml
from audit import MAVEN, PYPI, Package

TODAY = datetime.now(UTC).date()


def advisory(
    ecosystem: str, name: str, events: list[dict[str, str]], **more: Any
) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": events}] if events else []
    affected = {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": ranges,
        "versions": more.pop("versions", []),
    }
    made = {"id": "X-1", "modified": f"{TODAY}T00:00:00Z", "summary": "It breaks."}
    return {**made, "affected": [affected], **more}


LINES = [{"fixed": "3.1"}, {"introduced": "3.0"}, {"introduced": "0"}, {"fixed": "2.4"}]


@pytest.mark.parametrize(
    ("version", "events", "versions", "expected"),
    [
        ("1.9", [{"introduced": "0"}, {"fixed": "2.0"}], [], True),
        ("2.0", [{"introduced": "0"}, {"fixed": "2.0"}], [], False),
        ("2.0rc1", [{"introduced": "0"}, {"fixed": "2.0"}], [], True),
        ("0.0.dev0", [{"introduced": "0"}], [], True),
        ("2.0.post1", [{"introduced": "0"}, {"fixed": "2.0"}], [], False),
        ("1!0.5", [{"introduced": "0"}, {"fixed": "2.0"}], [], False),
        ("2.0", [{"introduced": "0"}, {"last_affected": "2.0"}], [], True),
        ("2.0.1", [{"introduced": "0"}, {"last_affected": "2.0"}], [], False),
        ("1.0", [{"introduced": "1.1"}, {"fixed": "1.2"}], [], False),
        ("10.0", [{"introduced": "9.0"}], [], True),
        # several lines of a project, each with its own fix, in any order
        ("2.5", LINES, [], False),
        ("3.0.5", LINES, [], True),
        ("1.5", [{"introduced": "0"}, {"limit": "1.5"}], [], False),
        ("1.0", [], ["0.9", "1.0.0"], True),
        ("1.1", [], ["0.9", "not a version"], False),
    ],
)  # fmt: skip
def test_a_python_version_is_compared_as_osv_says(
    version: str,
    events: list[dict[str, str]],
    versions: list[str],
    expected: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    [affected] = advisory(PYPI, "x", events, versions=versions)["affected"]
    assert audit.concerns(affected, Package(PYPI, "x", version)) is expected


@pytest.mark.parametrize(
    ("version", "fixed", "expected"),
    [
        ("2.13.4", "2.13.4.1", True),
        ("2.13.4.1", "2.13.4.1", False),
        ("4.1.9.Final", "4.1.10.Final", True),
        ("4.1.100.Final", "4.1.99", False),
        ("1.0-alpha-1", "1.0", True),
        ("1.0-rc1", "1.0", True),
        ("1.0-SNAPSHOT", "1.0", True),
        ("1.0-sp1", "1.0", False),
        ("1.0.RELEASE", "1.0", False),
        ("1.0", "1.0.0-m1", False),
        ("33.4.0-jre", "32.0.0-android", False),
        ("31.1-jre", "32.0.0-android", True),
    ],
)
def test_a_jar_s_version_is_compared_as_maven_does(
    version: str,
    fixed: str,
    expected: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    [affected] = advisory(MAVEN, "g:a", [{"introduced": "0"}, {"fixed": fixed}])["affected"]
    assert audit.concerns(affected, Package(MAVEN, "g:a", version)) is expected


@pytest.fixture
def pinned(tmp_path: Path) -> list[str]:
    """Arguments that name a lock file with one package, and a bill of materials with one jar."""
    (tmp_path / "uv.lock").write_text(
        '[[package]]\nname = "zope-interface"\nversion = "1.5"\n'
        'source = { registry = "https://pypi.org/simple" }\n'
        '[[package]]\nname = "ours"\nversion = "0.1"\nsource = { editable = "." }\n'
    )
    purls = ["pkg:maven/g.roup/art%2Bi@2.0?type=jar", "pkg:maven/io.liq/liq-sink@0.1.0?type=jar"]
    (tmp_path / "jars.json").write_text(json.dumps({"components": [{"purl": p} for p in purls]}))
    names = {"lock": "uv.lock", "jars": "jars.json", "accepted": "accepted.toml"}
    return [word for name, file in names.items() for word in (f"--{name}", str(tmp_path / file))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "advisories"
    made.mkdir()
    return made


def run(pinned: list[str], *places: Path) -> int:
    return audit.main(
        [*pinned, *(word for place in places for word in ("--advisories", str(place)))]
    )


def below(version: str) -> list[dict[str, str]]:
    return [{"introduced": "0"}, {"fixed": version}]


def test_a_known_vulnerability_fails_with_its_id_and_fix(
    pinned: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = advisory(PYPI, "Zope.Interface", below("1.6"), aliases=["CVE-1"])
    (folder / "PYSEC-1.yaml").write_text(yaml.safe_dump(found))
    other = advisory(MAVEN, "g.roup:art+i", below("3"), id="X-2")
    (folder / "X-2.json").write_text(json.dumps(other))
    again = advisory(PYPI, "zope-interface", below("1.6"), id="CVE-1")
    (folder / "CVE-1.json").write_text(json.dumps(again))
    assert run(pinned, folder) == 1
    said = capsys.readouterr()
    assert f"3 advisories, the newest of {TODAY}" in said.out
    assert "zope-interface 1.5: CVE-1: fixed in 1.6\n    It breaks.\n" in said.out
    assert "g.roup:art+i 2.0: X-2: fixed in 3" in said.out
    assert "checked 1 Python packages and 1 jars: 2 findings" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    "harmless",
    [
        advisory(PYPI, "zope-interface", below("1.5")),
        advisory(PYPI, "zope-interface-x", below("9")),
        advisory("npm", "zope-interface", below("9")),
        advisory(PYPI, "zope-interface", below("9"), withdrawn="2026-01-01T00:00:00Z"),
    ],
)
def test_an_advisory_of_no_pinned_package_passes(
    harmless: dict[str, Any], pinned: list[str], folder: Path
) -> None:
    (folder / "one.json").write_text(json.dumps(harmless))
    assert run(pinned, folder) == 0


def test_a_zip_file_is_read_as_osv_exports_it(pinned: list[str], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        found = advisory(PYPI, "zope-interface", below("2"))
        archive.writestr("X-1.json", json.dumps(found))
    assert run(pinned, tmp_path / "all.zip") == 1


def test_an_old_source_is_said(
    pinned: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = TODAY - timedelta(days=31)
    found = advisory(PYPI, "other", below("1"), modified=f"{old}T00:00:00Z")
    (folder / "one.yaml").write_text(yaml.safe_dump(found))
    assert run(pinned, folder) == 0
    assert f"STALE: {folder} ends on {old}" in capsys.readouterr().err


def test_an_advisory_that_cannot_be_read_is_said_and_hides_no_other(
    pinned: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = advisory(PYPI, "zope-interface", below("one dot two"), id="X-odd")
    (folder / "a.json").write_text(json.dumps(odd))
    (folder / "b.yaml").write_text("package: {name: zope-interface")
    (folder / "c.json").write_text(json.dumps(advisory(PYPI, "zope-interface", below("2"))))
    assert run(pinned, folder) == 1
    said = capsys.readouterr()
    assert "an advisory cannot be read, X-odd: " in said.err
    assert f"an advisory cannot be read, {folder / 'b.yaml'}" in said.err
    assert "X-1: fixed in 2" in said.out


@pytest.mark.parametrize(("days", "code"), [(0, 0), (-1, 1)])
def test_an_accepted_vulnerability_passes_until_its_day(
    days: int, code: int, pinned: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    until = datetime.now(UTC).date() + timedelta(days=days)  # the tests may have begun yesterday
    found = advisory(PYPI, "zope-interface", below("2"), aliases=["CVE-1"])
    (folder / "one.json").write_text(json.dumps(found))
    folder.with_name("accepted.toml").write_text(
        f'[[accepted]]\nid = "CVE-1"\nreason = "not called"\nuntil = {until}\n'
        f'[[accepted]]\nid = "CVE-2"\nreason = "gone"\nuntil = {until}\n'
    )
    assert run(pinned, folder) == code
    said = capsys.readouterr().out
    assert f"accepted until {until}" in said
    assert "CVE-2 is accepted, and not found any more: gone" in said


@pytest.mark.parametrize("text", ['id = "X"\nreason = ""\nuntil = 2030-01-01', 'id = "X"'])
def test_nothing_is_accepted_without_reason_and_day(
    text: str, pinned: list[str], folder: Path, tmp_path: Path
) -> None:
    (folder / "one.json").write_text(json.dumps(advisory(PYPI, "x", below("2"))))
    (tmp_path / "accepted.toml").write_text(f"[[accepted]]\n{text}\n")
    assert run(pinned, folder) == 2


def test_a_place_without_advisories_is_wrong_use(
    pinned: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pinned, folder) == 2
    assert run(pinned, folder / "absent") == 2
    said = capsys.readouterr().err
    assert f"{folder} holds no advisories" in said
    assert f"there is no {folder / 'absent'}" in said


@contextmanager
def api(vulnerable: dict[str, str], pages: int = 1) -> Iterator[str]:
    """Serve OSV's API: ids by package name, ``pages`` to each answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            self._send({"results": [self._result(query) for query in asked]})

        def do_GET(self) -> None:
            one = self.path.rpartition("/")[2]
            name = next(name for name, id_ in vulnerable.items() if id_ == one)
            self._send(advisory(PYPI if ":" not in name else MAVEN, name, below("9"), id=one))

        def _result(self, query: dict[str, Any]) -> dict[str, Any]:
            page = int(query.get("page_token", 1))
            if page < pages:
                return {"next_page_token": str(page + 1)}
            found = vulnerable.get(query["package"]["name"])
            return {"vulns": [{"id": found}]} if found else {}

        def _send(self, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("pages", [1, 3])
def test_without_files_osv_is_asked(
    pages: int, pinned: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with api({"zope-interface": "P-1", "g.roup:art+i": "M-1"}, pages) as url:
        assert audit.main([*pinned, "--osv", url]) == 1
    said = capsys.readouterr().out
    assert "zope-interface 1.5: P-1: fixed in 9" in said
    assert "g.roup:art+i 2.0: M-1: fixed in 9" in said
    with api({}) as url:
        assert audit.main([*pinned, "--osv", url]) == 0


def test_without_any_source_it_says_that_nothing_was_audited(
    pinned: list[str], unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main([*pinned, "--osv", f"http://127.0.0.1:{unused_tcp_port}"]) == 0
    said = capsys.readouterr()
    assert "NOT AUDITED: no advisory source" in said.err
    assert "findings" not in said.out


def test_the_lock_file_s_packages_are_all_checked() -> None:
    names = {package.name for package in audit.read_lock()}
    assert {"flask", "kafka-python", "voila", "pyspark"} <= names
    assert "liq" not in names
