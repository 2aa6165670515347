"""Run a notebook from its first cell to its last with papermill, but with strict parameters.

papermill only warns about a notebook without a ``parameters`` cell and about an unknown parameter.
A misspelt parameter would then run the notebook with its default. Here both are errors.
"""

import ast
import contextlib
import os
import uuid
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillException, PapermillExecutionError

from liq.common import kernels
from liq.common.text import suggest
from liq.config import Settings, choose_settings
from liq.errors import NotebookError
from liq.notebook import copies

_TYPES = {float: "number", int: "whole number", bool: "truth value"}
_FIGURE = "application/vnd.plotly.v1+json"


def run(
    notebook: str | Path,
    parameters: dict[str, Any] | None = None,
    *,
    out: Path | None = None,
    timeout: float = 120,
    settings: Settings | None = None,
    progress: bool = False,
    empty_figures: bool = True,
) -> nbformat.NotebookNode:
    """Run a notebook in its own kernel and return it with its outputs.

    Args:
        notebook: The name of a shipped notebook (``"02-explore"``) or a path.
        parameters: Replace the defaults of the ``parameters`` cell.
        out: Write the notebook with its outputs to this file, after each cell.
        timeout: Maximum seconds of a cell.
        settings: Passed to the kernel by its environment; the current settings by default.
        progress: Whether to show a progress bar.
        empty_figures: Whether a figure without data is accepted.

    Raises:
        NotebookError: There is no ``parameters`` cell, a parameter is unknown, a cell fails or
            exceeds ``timeout``, a figure is empty, or ``out`` cannot be written.

    Example:
        run("02-explore", {"window": "4h"})
    """
    path = find(notebook)
    given = parameters or {}
    check_names(path, given)
    if out and out.resolve() == path.resolve():
        raise NotebookError(f"{out} is the notebook itself; write its outputs to another file")
    variables = choose_settings(settings).environ() | kernels.build_environment()
    with _set_environment(variables), kernels.private_folder() as folder:
        config = kernels.create_config()
        config.KernelManager.connection_file = str(folder / f"kernel-{uuid.uuid4()}.json")
        try:
            executed: nbformat.NotebookNode = papermill.execute_notebook(
                path,
                out,
                given,
                cwd=path.parent,
                progress_bar=progress,
                config=config,
                execution_timeout=timeout,
                start_timeout=300,  # a kernel that dies at its start is noticed earlier
                iopub_timeout=60,  # outputs may be late on a busy machine
            )
        except PapermillExecutionError as error:
            where = f"cell {error.exec_count} of {path.name} failed"
            raise NotebookError(f"{where}: {error.ename}: {error.evalue}") from error
        # Jupyter's error of a kernel that is not installed is a KeyError
        except (PapermillException, TimeoutError, KeyError, DeadKernelError) as error:
            raise NotebookError(f"{path.name} failed: {error}") from error
        except OSError as error:
            raise NotebookError(f"cannot write {out}: {error.strerror or error}") from error
    if not empty_figures and (empty := _list_empty_figures(executed)):
        cells = ", ".join(map(str, empty))
        raise NotebookError(
            f"{path.name}: nothing to draw in the figure of cell {cells}; give a longer window, or"
            " allow it with --allow-empty (empty_figures=True)"
        )
    return executed


def find(notebook: str | Path) -> Path:
    """Return a notebook's path. Raises `NotebookError` if there is no such notebook."""
    path = Path(notebook)
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        is_file = False
    return path if is_file else copies.find_shipped(str(notebook))


def check_names(notebook: str | Path, given: Collection[str]) -> None:
    """Raise `NotebookError` for a name that the notebook's ``parameters`` cell does not have."""
    path = find(notebook)
    defaults = read_defaults(path)
    for name in sorted(set(given) - defaults.keys()):
        raise NotebookError(f"{path.name} has no parameter {name!r}{suggest(name, list(defaults))}")


def parse_parameters(notebook: str | Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return values for parameters given as text, in the types of their defaults.

    Args:
        notebook: The name of a shipped notebook or a path.
        texts: E.g. ``{"window": "4h", "symbols": "BTCUSDT,ETHUSDT", "rank": "2"}``.

    Raises:
        NotebookError: A name is unknown, or a value is not of the default's type.
    """
    check_names(notebook, texts)
    defaults = read_defaults(notebook)
    return {name: _parse(name, text, defaults[name]) for name, text in texts.items()}


def _parse(name: str, text: str, default: str) -> Any:
    usual, value = _evaluate(default), _evaluate(text)
    if isinstance(usual, str):
        return text
    if isinstance(usual, list) and not isinstance(value, list):
        return _split(name, text.strip())
    if isinstance(usual, float) and type(value) is int:
        value = float(value)
    if usual is not None and type(value) is not type(usual):
        kind = _TYPES.get(type(usual), type(usual).__name__)
        raise NotebookError(f"{name}={text!r} is no {kind}; the default is {default}")
    return value


def _split(name: str, text: str) -> list[str]:
    """Return the items of ``A,B`` or ``[A, B]``."""
    if text[:1] == "[" or text[-1:] == "]":
        if text[:1] + text[-1:] != "[]":
            raise NotebookError(f"{name}={text!r} is no list; give {name}=A,B")
        text = text[1:-1]
    return [item for part in text.split(",") if (item := part.strip(" '\""))]


def _evaluate(text: str) -> Any:
    """Return the value of a literal of Python; other text stays text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _list_empty_figures(notebook: nbformat.NotebookNode) -> list[int]:
    """Return the numbers of the cells that drew a figure without data."""
    return [
        cell.execution_count
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if (figure := output.get("data", {}).get(_FIGURE))
        and not any(map(_has_data, figure["data"]))
    ]


def _has_data(trace: Mapping[str, Any]) -> bool:
    # plotly sends arrays of numbers as {"dtype": ..., "bdata": ...}
    values = (trace.get(axis) for axis in ("x", "y", "z", "values"))
    return any(value["bdata"] if isinstance(value, dict) else value for value in values)


def list_contents() -> str:
    """Return the shipped notebooks as a Markdown table, with links and first paragraphs."""
    lines = ["| notebook | shows |", "|---|---|"]
    lines += [
        f"| [{path.stem}]({path.name}) | {copies.read_summary(path)} |"
        for path in copies.list_shipped()
    ]
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
    if not any("parameters" in (cell.metadata.get("tags") or ()) for cell in _read_cells(path)):
        raise NotebookError(f"no cell of {path.name} is tagged parameters; tag one, even if empty")
    try:
        found = papermill.inspect_notebook(path)
    except ValueError as error:  # it names no kernel
        raise NotebookError(f"{path.name}: {error}") from error
    return {name: parameter["default"] for name, parameter in found.items()}


def _read_cells(path: Path) -> list[nbformat.NotebookNode]:
    """Return the cells of a notebook. Raises `NotebookError` if the file is none."""
    try:
        cells: list[nbformat.NotebookNode] = nbformat.read(path, as_version=4).cells
    except OSError:
        raise
    except Exception as error:  # nbformat's errors of a damaged file are of all kinds
        reason = str(error).partition("\n")[0]
        raise NotebookError(f"{path} is no notebook: {reason}") from error
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
