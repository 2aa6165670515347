"""A guard of notebooks: papermill's parameters must be names that the notebook has.

papermill only warns about an unknown parameter, and the notebook then runs with its default::

    papermill 02-explore.ipynb out.ipynb -p windw 1h
"""

import ast
import sys
from collections.abc import Iterator, Sequence

from liq.common.text import suggest
from liq.errors import NotebookError

_INJECTED = "# Parameters\n"  # begins the cell that papermill puts behind the parameters cell


def check() -> None:
    """Fail if papermill set a name that the cells so far do not set; call it after the defaults.

    It does nothing without papermill.

    Raises:
        NotebookError: A parameter is unknown, or the notebook has no ``parameters`` cell.
    """
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython  # noqa: PLC0415 - no other use of liq needs it

    if shell := get_ipython():
        check_cells(shell.user_ns.get("In", [])[:-1])


def check_cells(cells: Sequence[str]) -> None:
    """Check the cells that a kernel has run before this one, as `check` does."""
    injected = [cell for cell in cells if cell.startswith(_INJECTED)]
    known = {
        name for cell in cells if not cell.startswith(_INJECTED) for name in _list_assigned(cell)
    }
    for name in dict.fromkeys(name for cell in injected for name in _list_assigned(cell)):
        if not known:
            raise NotebookError("no cell before papermill's parameters sets a default")
        if name not in known:
            raise NotebookError(f"there is no parameter {name!r}{suggest(name, sorted(known))}")


def _list_assigned(cell: str) -> Iterator[str]:
    """Yield the names that a cell's own statements set."""
    try:
        body = ast.parse(cell).body
    except SyntaxError:  # e.g. a magic command
        return
    for statement in body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            targets = []
        yield from (target.id for target in targets if isinstance(target, ast.Name))
