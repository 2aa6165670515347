"""When Maven is called, and how its failure is reported. A shell script replaces Maven."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from liq.common import files
from liq.config import Settings
from liq.errors import StackError
from liq.stack import jars
from liq.stack.service import ignore_event
from support.homes import ODD

MAVEN = """#!/bin/sh
echo run >> "$0.runs"
for word; do case $word in -Dliq.dist=*) dist=${word#-Dliq.dist=};; esac; done
echo 'Downloaded from central: https://repo/org/apache/kafka/kafka-clients-1.jar (9 MB at 1 MB/s)'
sleep 0.3
mkdir -p "$dist/kafka"
"""
FAILING = """#!/bin/sh
echo '[INFO] Scanning for projects'
echo '[ERROR] COMPILATION ERROR :'
echo '[ERROR] Failed to execute goal x on project y: Connection refused'
exit 1
"""
Program = Callable[[str, str], None]


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir()
    program.write_text(MAVEN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return program


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(home=tmp_path / "home", cache=tmp_path / "cache")


def runs(maven: Path) -> int:
    log = Path(f"{maven}.runs")
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_maven_runs_once_and_never_again(maven: Path, settings: Settings) -> None:
    events: list[tuple[str, str]] = []
    jars.ensure(settings, lambda *event: events.append(event))
    assert (jars.find_folder(settings) / "kafka").is_dir()
    assert ("maven", "downloaded 1 jars: kafka-clients-1.jar") in events
    jars.ensure(settings, ignore_event)
    assert runs(maven) == 1
    assert sorted(path.name for path in settings.cache.iterdir()) == [
        "lock",
        "maven.log",
        jars.find_folder(settings).name,
    ]


@pytest.mark.parametrize("name", ODD)
def test_maven_gets_paths_that_it_cannot_misread(name: str, maven: Path, tmp_path: Path) -> None:
    maven.write_text(MAVEN + f'for word; do printf "%s\\n" "$word" >> {maven}.words; done')
    settings = Settings.load(home=tmp_path, cache=tmp_path / name)
    jars.ensure(settings, ignore_event)
    words = Path(f"{maven}.words").read_text().splitlines()
    paths = [word.partition("=")[2] for word in words if word.startswith("-Dliq.")]
    assert len(paths) == 2
    assert all(map(jars.is_plain, map(Path, paths)))
    assert (jars.find_folder(settings) / "kafka").is_dir()
    assert {each.name for each in settings.cache.iterdir()} == {
        "lock",
        "maven.log",
        jars.find_folder(settings).name,
    }


def test_two_at_once_build_once(maven: Path, settings: Settings) -> None:
    code = "from liq.stack import jars; from liq.stack.service import ignore_event;"
    code += "from liq.config import Settings;"
    code += "jars.ensure(Settings.load(), ignore_event)"
    environment = os.environ | settings.environ()
    both = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [each.wait() for each in both] == [0, 0]
    assert runs(maven) == 1


def test_failure_names_reason_and_log_and_leaves_nothing_behind(
    maven: Path, settings: Settings
) -> None:
    maven.write_text(FAILING)
    with pytest.raises(StackError) as caught:
        jars.ensure(settings, ignore_event)
    assert "project y: Connection refused" in str(caught.value)
    assert str(settings.cache / "maven.log") in str(caught.value)
    assert "Scanning" in (settings.cache / "maven.log").read_text()
    assert sorted(path.name for path in settings.cache.iterdir()) == ["lock", "maven.log"]


def test_unused_folders_go_and_the_latest_used_stay(maven: Path, settings: Settings) -> None:
    settings.cache.mkdir()
    for age in range(8):
        folder = settings.cache / f"stack-{age}"
        folder.mkdir()
        os.utime(folder, (1e9 - age, 1e9 - age))
    jars.ensure(settings, ignore_event)
    left = {path.name for path in settings.cache.glob("stack-*")}
    assert left == {"stack-0", "stack-1", "stack-2", jars.find_folder(settings).name}


def test_the_name_of_a_jar_follows_the_sources_of_maven_and_nothing_else(tmp_path: Path) -> None:
    def write(name: str, text: str) -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return jars.fingerprint(tmp_path)

    first = write("pom.xml", "1")
    for irrelevant in ("altliqs.json", "sink/src/test/java/T.java", "sink/target/classes/A.class"):
        assert write(irrelevant, "x") == first
    names = [first, write("pom.xml", "2"), write("sink/src/main/java/A.java", "a")]
    names += [write("sink/src/main/java/A.java", "b"), write("sink/src/main/java/B.java", "b")]
    assert len(set(names)) == len(names)


def test_the_shipped_sources_have_a_name() -> None:
    assert len(jars.fingerprint(files.find_asset("connect"))) == 16


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Make a PATH of programs that run one line of shell."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name: str, line: str) -> None:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{line}\n")
        file.chmod(0o755)

    return make


def test_the_java_of_this_machine_will_do() -> None:
    jars.check_java()


@pytest.mark.parametrize(
    "version", ['openjdk version "17.0.15" 2025-04-15', 'java version "25-ea"']
)
def test_new_enough_java(program: Program, version: str) -> None:
    program("java", f"echo '{version}' >&2")
    jars.check_java()


@pytest.mark.usefixtures("program")
def test_missing_java_names_the_package_to_install() -> None:
    with pytest.raises(StackError, match="java is not on the PATH; install a JDK 17"):
        jars.check_java()


@pytest.mark.parametrize(
    ("version", "number"),
    [('openjdk version "11.0.22" 2024-01-16', 11), ('java version "1.8.0_412"', 8)],
)
def test_old_java_is_named_with_its_version(program: Program, version: str, number: int) -> None:
    program("java", f"echo '{version}' >&2")
    with pytest.raises(StackError, match=f"is Java {number}, but Kafka needs 17"):
        jars.check_java()


@pytest.mark.parametrize("line", ["exit 1", "echo nonsense"])
def test_java_that_does_not_run_or_talk(program: Program, line: str) -> None:
    program("java", line)
    with pytest.raises(StackError, match="install a JDK 17"):
        jars.check_java()


def test_missing_maven_names_the_package_to_install(program: Program) -> None:
    with pytest.raises(StackError, match="mvn is not on the PATH; install Maven"):
        jars.maven()
    program("mvn", "")
    assert jars.maven().endswith("/mvn")
