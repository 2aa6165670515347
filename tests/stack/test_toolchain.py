"""The errors on a machine without the right Java or Maven."""

from collections.abc import Callable
from pathlib import Path

import pytest

from liq.errors import StackError
from liq.stack import toolchain

Program = Callable[[str, str], None]


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
    toolchain.check_java()


@pytest.mark.parametrize(
    "version", ['openjdk version "17.0.15" 2025-04-15', 'java version "25-ea"']
)
def test_new_enough_java(program: Program, version: str) -> None:
    program("java", f"echo '{version}' >&2")
    toolchain.check_java()


@pytest.mark.usefixtures("program")
def test_missing_java_names_the_package_to_install() -> None:
    with pytest.raises(StackError, match="java is not on the PATH; install a JDK 17"):
        toolchain.check_java()


@pytest.mark.parametrize(
    ("version", "number"),
    [('openjdk version "11.0.22" 2024-01-16', 11), ('java version "1.8.0_412"', 8)],
)
def test_old_java_is_named_with_its_version(program: Program, version: str, number: int) -> None:
    program("java", f"echo '{version}' >&2")
    with pytest.raises(StackError, match=f"is Java {number}, but Kafka needs 17"):
        toolchain.check_java()


@pytest.mark.parametrize("line", ["exit 1", "echo nonsense"])
def test_java_that_does_not_run_or_talk(program: Program, line: str) -> None:
    program("java", line)
    with pytest.raises(StackError, match="install a JDK 17"):
        toolchain.check_java()


def test_missing_maven_names_the_package_to_install(program: Program) -> None:
    with pytest.raises(StackError, match="mvn is not on the PATH; install Maven"):
        toolchain.maven()
    program("mvn", "")
    assert toolchain.maven().endswith("/mvn")
