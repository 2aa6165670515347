"""Run a notebook from its first cell to its last with papermill, but with strict parameters.

papermill only warns about a notebook without a ``parameters`` cell and about an unknown parameter.
A misspelt parameter would then run the notebook with its default. Here both are errors.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillException

from liq.common import files, kernels
from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import NotebookError


def run(
    notebook: str | Path,
    parameters: dict[str, Any] | None = None,
    *,
    timeout: float = 120,
    settings: Settings | None = None,
    progress: bool = False,
) -> nbformat.NotebookNode:
    """Run a notebook in its own kernel and return it with its outputs.

    Args:
        notebook: The name of a shipped notebook (``"02-explore"``) or a path.
        parameters: Replace the defaults of the ``parameters`` cell.
        timeout: Maximum seconds of a cell.
        settings: Passed to the kernel by its environment; the current settings by default.
        progress: Whether to show a progress bar.

    Raises:
        NotebookError: There is no ``parameters`` cell, a parameter is unknown, or a cell fails or
            exceeds ``timeout``.

    Example:
        run("02-explore", {"window": "4h"})
    """
    path = find(notebook)
    given = parameters or {}
    if unknown := sorted(given.keys() - read_defaults(path).keys()):
        valid = ", ".join(read_defaults(path))
        raise NotebookError(f"{path.name} has no parameter {', '.join(unknown)}; it has: {valid}")
    variables = (settings or current_settings()).environ() | kernels.build_environment()
    with _set_environment(variables), kernels.private_folder() as folder:
        config = kernels.create_config()
        config.KernelManager.connection_file = str(folder / f"kernel-{uuid.uuid4()}.json")
        try:
            executed: nbformat.NotebookNode = papermill.execute_notebook(
                path,
                None,
                given,
                cwd=path.parent,
                progress_bar=progress,
                config=config,
                execution_timeout=timeout,
                start_timeout=300,  # a kernel that dies at its start is noticed earlier
                iopub_timeout=60,  # outputs may be late on a busy machine
            )
        except (PapermillException, TimeoutError) as error:
            raise NotebookError(f"{path.name} failed: {error}") from error
    return executed


def find(notebook: str | Path) -> Path:
    """Return a notebook's path. Raises `NotebookError` if there is no such notebook."""
    shipped = files.find_asset("notebooks")
    for path in (Path(notebook), shipped / f"{notebook}.ipynb"):
        if path.is_file():
            return path
    names = ", ".join(path.stem for path in sorted(shipped.glob("*.ipynb")))
    raise NotebookError(f"there is no notebook {notebook}; shipped are: {names}")


def list_contents() -> str:
    """Return the shipped notebooks as a Markdown table, with links and first paragraphs."""
    lines = ["| notebook | shows |", "|---|---|"]
    for path in sorted(files.find_asset("notebooks").glob("*.ipynb")):
        _, _, about = str(_read_cells(path)[0].source).partition("\n")
        first = about.strip().partition("\n")[0]
        lines.append(f"| [{path.stem}]({path.name}) | {first} |")
    return "\n".join(lines)


def read_section(notebook: str | Path, heading: str) -> str:
    """Return the Markdown cell of a notebook that begins with ``heading``.

    Raises:
        NotebookError: No cell begins with it.
    """
    path = find(notebook)
    for cell in _read_cells(path):
        if cell.cell_type == "markdown" and cell.source.startswith(f"## {heading}\n"):
            return str(cell.source)
    raise NotebookError(f"no cell of {path.name} begins with the heading {heading!r}")


def read_defaults(notebook: str | Path) -> dict[str, str]:
    """Return a notebook's parameters: names, and defaults as source text.

    Raises:
        NotebookError: No cell is tagged ``parameters``.
    """
    path = find(notebook)
    if not any("parameters" in cell.metadata.get("tags", ()) for cell in _read_cells(path)):
        raise NotebookError(f"no cell of {path.name} is tagged parameters; tag one, even if empty")
    found = papermill.inspect_notebook(path)
    return {name: parameter["default"] for name, parameter in found.items()}


def _read_cells(path: Path) -> list[nbformat.NotebookNode]:
    cells: list[nbformat.NotebookNode] = nbformat.read(path, as_version=4).cells
    return cells


@contextlib.contextmanager
def _set_environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables that kernels inherit; papermill has no option for them."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
