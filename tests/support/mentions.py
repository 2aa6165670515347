"""Where code names the environment of its process, by whatever way Python has for that."""

import ast
import re
from collections.abc import Iterator

_NAMES = {"environ", "environb", "getenv", "getenvb", "expandvars"}
_MODULES = {"os", "posix", "os.path", "posixpath"}
_KEYWORDS = {"envvar", "auto_envvar_prefix"}  # of typer and click, which read it themselves
_FILES = re.compile(r"/proc/[^/]+/environ")
_NOT_OURS = re.compile(r"settings|\brequest$")  # they have an environ of their own


def mentions(tree: ast.Module) -> set[str]:
    """Return the functions that name it, dotted, "" for the module's own level.

    Writes count as reads do, and so does each use of the module ``os`` but for its attributes:
    what is handed on is read elsewhere.
    """
    modules, names = _aliases(tree)
    return {place for place, node, parent in _walk(tree) if _names(node, parent, modules, names)}


def _walk(
    node: ast.AST, place: tuple[str, ...] = (), parent: ast.AST | None = None
) -> Iterator[tuple[str, ast.AST, ast.AST | None]]:
    yield ".".join(place), node, parent
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        place = (*place, node.name)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, place, node)


def _aliases(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the names that the modules have in ``tree``, and those that the environment has."""
    modules, names = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.name in _MODULES:
                    modules.add(each.asname or each.name.split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.module in _MODULES:
            names |= {each.asname or each.name for each in node.names if each.name in _NAMES}
    return modules, names


def _names(node: ast.AST, parent: ast.AST | None, modules: set[str], names: set[str]) -> bool:
    found = False
    match node:
        case ast.ImportFrom(module=module, names=imported) if module in _MODULES:
            found = any(each.name in {*_NAMES, "*"} for each in imported)
        case ast.Attribute(attr=attr, value=value) if attr in _NAMES:
            found = not _NOT_OURS.search(ast.unparse(value))
        case ast.Attribute(attr="__dict__", value=ast.Name(id=name)):
            found = name in modules
        case ast.Name(id=name):
            found = name in names or (name in modules and not isinstance(parent, ast.Attribute))
        case ast.keyword(arg=arg):
            found = arg in _KEYWORDS
        case ast.Constant(value=str(text)):
            found = bool(_FILES.search(text))
    return found
