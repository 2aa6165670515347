"""Files of secrets, which a command makes in a home in the checkout, stay out of git and images."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["secrets.json", ".env", "grafana.env"])
@pytest.mark.parametrize("list_", [".gitignore", ".dockerignore"])
def test_a_file_of_secrets_is_in_no_commit_and_no_image(name: str, list_: str) -> None:
    ignored = {line.strip("*/") for line in (ROOT / list_).read_text().splitlines()}
    assert name in ignored


def test_no_file_of_secrets_is_in_the_checkout() -> None:
    assert not (ROOT / "secrets.json").exists()
