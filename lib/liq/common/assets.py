"""Files that ship beside the code: ``queries.json``, the notebooks, the Maven build of the stack.

In a checkout they are at the top of the repository, where the user edits them. A wheel has them
inside the package.
"""

from pathlib import Path

_PACKAGED = Path(__file__).parents[1] / "_assets"
_CHECKOUT = Path(__file__).parents[3]


def find_asset(name: str) -> Path:
    """Return where the shipped file or folder ``name`` is, e.g. ``find_asset("queries.json")``."""
    root = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    return root / name
