"""The user's copies of the shipped notebooks: made, renewed, restored, never overwritten."""

import json
from pathlib import Path

import pytest

from liq.config import Settings
from liq.errors import NotebookError
from liq.notebook import copies
from liq.notebook.copies import CopyState


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "notebooks"
    (folder / "work").mkdir(parents=True)
    for name in ("one.ipynb", "work/two.py", "zero.ipynb"):
        (folder / name).write_text("shipped")
    monkeypatch.setattr("liq.common.files.find_asset", lambda name: tmp_path / name)
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(home=tmp_path / "home")


def states(settings: Settings) -> dict[str, CopyState]:
    return {copy.name: copy.state for copy in copies.list_copies(settings)}


def test_copies_are_renewed_and_a_changed_one_is_kept(shipped: Path, settings: Settings) -> None:
    assert set(states(settings).values()) == {CopyState.MISSING}
    folder = copies.update(settings)
    assert folder == settings.home / "notebooks"
    (folder / "one.ipynb").write_text("mine")
    assert states(settings) == {"one": CopyState.CHANGED, "zero": CopyState.SHIPPED}
    for name in ("one.ipynb", "three.ipynb", "zero.ipynb"):
        (shipped / name).write_text("new")
    for _ in range(2):
        assert copies.update(settings) == folder
        assert (folder / "one.ipynb").read_text() == "mine"
        assert states(settings)["one"] is CopyState.OUTDATED
    assert (folder / "work" / "two.py").read_text() == "shipped"
    assert (folder / "three.ipynb").read_text() == "new"
    assert (folder / "zero.ipynb").read_text() == "new"  # the user had not changed that copy


def test_a_restored_notebook_keeps_each_changed_copy(shipped: Path, settings: Settings) -> None:
    folder = copies.update(settings)
    for number in (1, 2):
        (folder / "one.ipynb").write_text(f"mine {number}")
        kept = copies.restore("one", settings)
        assert kept == folder / f"one.mine-{number}.ipynb"
        assert kept.read_text() == f"mine {number}"
        assert (folder / "one.ipynb").read_text() == "shipped"
    assert (folder / "one.mine-1.ipynb").read_text() == "mine 1"
    assert copies.restore("one", settings) is None
    (folder / "one.ipynb").unlink()
    assert copies.restore("one", settings) is None
    assert (folder / "one.ipynb").read_text() == "shipped"
    with pytest.raises(NotebookError, match=r"no notebook 'onee', did you mean 'one'\?"):
        copies.restore("onee", settings)


@pytest.mark.parametrize(
    "damaged", [b"", b"[1]", b"{", b"null", b'{"one.ipynb": [1]}', b"\xff\x00", b"[" * 100_000]
)
def test_with_a_damaged_record_each_changed_copy_is_kept(
    shipped: Path, settings: Settings, damaged: bytes
) -> None:
    folder = copies.update(settings)
    (folder / "one.ipynb").write_text("mine")
    (folder / ".shipped.json").write_bytes(damaged)
    copies.update(settings)
    assert (folder / "one.ipynb").read_text() == "mine"
    assert states(settings)["zero"] is CopyState.SHIPPED


def test_a_folder_that_cannot_be_written_is_one_error(shipped: Path, settings: Settings) -> None:
    (settings.home / "notebooks").write_text("a file")
    with pytest.raises(NotebookError, match="cannot write notebooks to"):
        copies.update(settings)


def test_the_summary_of_a_notebook_is_its_first_paragraph(tmp_path: Path) -> None:
    path = tmp_path / "made.ipynb"
    path.write_text(json.dumps({"cells": [{"source": ["# Title\n", "\n", "About it.\n", "More"]}]}))
    assert copies.read_summary(path) == "About it."
    for text in ("", "{}", '{"cells": []}', '{"cells": [{"source": 1}]}'):
        path.write_text(text)
        assert copies.read_summary(path) == ""
