import tomllib
from pathlib import Path

import pytest

from liq.common.extras import describe_installation

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_packages_of_an_extra_are_named_one_by_one(extra: str) -> None:
    """On PyPI, liq is another project."""
    command = describe_installation(extra)
    packages = {requirement.partition(">")[0].partition("=")[0] for requirement in EXTRAS[extra]}
    assert all(f"'{package}" in command for package in packages)
    assert command.count("'") == 2 * len(packages)
