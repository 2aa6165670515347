"""The code keeps to the order and the doors that docs/architecture.md draws."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lib" / "liq"
ROWS = re.findall(
    r"^\| `liq\.(\w+)` \|.*\|(.*)\|$",
    (ROOT / "docs" / "architecture.md").read_text(),
    re.MULTILINE,
)
ORDER = [module for module, _ in ROWS]
DOORS = {
    package: module
    for module, cell in ROWS
    for package in re.findall(r"`(\w+)`", cell)
    if package not in {"websockets", "jinja2"}  # two modules each: client, server; tables, pages
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        home = file.relative_to(PACKAGE).with_suffix("").parts[0]
        if not home.startswith("__"):
            yield home, ast.parse(file.read_text())


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted names that run-time imports name; those for type checkers only are free."""
    for node in _runtime(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _runtime(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _runtime(child)


def test_every_module_has_its_line() -> None:
    assert {home for home, _ in modules()} == set(ORDER)


def test_imports_point_one_way() -> None:
    wrong = {
        (home, name)
        for home, tree in modules()
        for name in imported(tree)
        if name.startswith("liq.")
        and (target := name.split(".")[1]) in ORDER
        and ORDER.index(target) > ORDER.index(home)
        and home != "cli"
    }
    assert not wrong


@pytest.mark.parametrize("package", sorted(DOORS))
def test_one_door_imports_the_client(package: str) -> None:
    users = {
        home
        for home, tree in modules()
        if any(name.split(".")[0] == package for name in imported(tree))
    }
    assert users == {DOORS[package]}


def test_only_settings_read_the_environment() -> None:
    readers = {
        home
        for home, tree in modules()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"getenv", "environb"})
        or (isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ")
    }
    assert readers <= {"config"}
