"""The code keeps to the order and the doors that docs/architecture.md draws."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from support.mentions import mentions

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lib" / "liq"
ROWS = re.findall(
    r"^\| `liq\.([\w.]+)` \|.*\|(.*)\|$",
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

CHANGED = {
    "voila",
    "waitress",
    "zmq",
    "jupyter_client",
}  # by common.compat, beside the libraries whose door it is


@cache
def modules() -> list[tuple[str, ast.Module]]:
    """Return each module of a folder, by the name that has a line in the list, and its code."""
    return [(home, parse(file)) for home, file in _files()]


@cache
def parse(file: Path) -> ast.Module:
    """Return the code of a file, which several tests walk."""
    return ast.parse(file.read_text())


@cache
def imports() -> list[tuple[str, set[str]]]:
    """Return the names that each of `modules` imports."""
    return [(home, {*imported(tree)}) for home, tree in modules()]


def _files() -> Iterator[tuple[str, Path]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        if not parts[0].startswith("__") and (len(parts) > 2 or parts[-1] != "__init__"):
            yield home_of(".".join(parts)), file
        elif len(parts) == 2 and parts[0] in ORDER:
            yield parts[0], file


def home_of(name: str) -> str:
    """Return the line of the list that module ``name`` belongs to, else its first two parts."""
    parts = name.split(".")
    candidates = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((each for each in candidates if each in ORDER), ".".join(parts[:2]))


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


def test_each_folder_names_its_input_its_output_and_the_next_folder() -> None:
    for folder in (path for path in PACKAGE.iterdir() if (path / "__init__.py").exists()):
        documentation = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
        assert {"In:", "Out:"} <= set(documentation.split()), folder.name
        assert f"| `{folder.name}` |" in (ROOT / "docs" / "architecture.md").read_text()


def test_the_top_of_the_package_has_sixteen_entries_at_most() -> None:
    assert len([path for path in PACKAGE.iterdir() if path.name != "__pycache__"]) <= 16


def test_the_package_has_as_many_modules_as_the_docs_state() -> None:
    """One more than the docs allow is either part of a module that exists, or a reason."""
    stated = re.search(r"at most (\d+) modules", (ROOT / "docs" / "architecture.md").read_text())
    assert stated
    modules = {file for file in PACKAGE.rglob("*.py") if not file.stem.startswith("__")}
    per_venue = {*(PACKAGE / "ingest" / "venues").glob("*.py")}
    per_venue |= {*(PACKAGE / "ingest" / "simulator").glob("*.py")}
    assert len(modules - per_venue) <= int(stated[1])


def test_the_stack_is_a_dozen_modules_of_one_idea_each() -> None:
    modules = [file for file in (PACKAGE / "stack").glob("*.py") if file.stem != "__init__"]
    assert len(modules) <= 12
    assert max(len(file.read_text().splitlines()) for file in modules) <= 350


def test_folders_of_stages_import_nothing_themselves() -> None:
    """Importing one module of a stage imports no other."""
    for folder in {home.split(".")[0] for home in ORDER if "." in home}:
        assert not [*imported(ast.parse((PACKAGE / folder / "__init__.py").read_text()))]


def test_imports_point_one_way() -> None:
    wrong = {
        (home, name)
        for home, names in imports()
        for name in names
        if name.startswith("liq.")
        and (target := home_of(name.removeprefix("liq."))) in ORDER
        and ORDER.index(target) > ORDER.index(home)
        and home != "cli"
    }
    assert not wrong


@pytest.mark.parametrize("package", sorted(DOORS))
def test_one_door_imports_the_client(package: str) -> None:
    users = {
        home for home, names in imports() if any(name.split(".")[0] == package for name in names)
    }
    assert users == {DOORS[package]} | ({"common.compat"} if package in CHANGED else set())


REPLACED = {
    "common.files.write_whole": "the home of files that are written whole or not at all",
    "stack.downloads._continue": "the part of a download is kept, and a later run goes on with it",
    "stack.process.spawn": "the log of the run before keeps its text under another name",
}


def test_only_one_function_replaces_files_by_drafts() -> None:
    """A call of `replace` with one argument is that of a path or of ``os``, not of a text."""
    assert functions_with(_replaces_file) == REPLACED.keys()


def test_only_one_module_doubles_pauses() -> None:
    assert functions_with(_doubles) == {"common.waiting.pause_s"}


SLEEPERS = {
    "common.waiting.poll_until": "the home of waits with a deadline",
    "delivery.connect._await": "a failure shortens the deadline",
    "delivery.connect._request": "the deadline is that of all requests of one call",
    "delivery.messaging.publisher._run": "a rate, not a wait",
    "query.questdb._repeat": "repeats a statement that failed, and ends with its answer",
    "stack.control.wait_healthy": "a process that ends, too, is an error",
    "stack.process._additions": "it follows a log without an end",
    "web.client._get": "the server may name the pause",
    "web.dashboard.view.wait": "a rate, not a wait",
}


def test_loops_that_sleep_until_a_deadline_share_one_function() -> None:
    assert functions_with(_sleeps) == SLEEPERS.keys()


def test_settings_are_optional_and_resolved_in_one_way() -> None:
    defaults, aliases = set(), set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(parse(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                defaults |= set(_settings_with_default(node.args))
            elif isinstance(node, ast.ImportFrom) and node.module == "liq.config":
                aliases |= {each.asname for each in node.names if each.name == "settings"}
            elif isinstance(node, ast.Call):
                assert ast.unparse(node.func) != "config.settings", file
            elif isinstance(node, ast.BoolOp):  # which takes any value for settings
                assert "settings or current_settings()" not in ast.unparse(node), file
    assert defaults == {"settings: Settings | None = None"}
    assert aliases == {"current_settings"}


def _settings_with_default(arguments: ast.arguments) -> Iterator[str]:
    positional = [*arguments.posonlyargs, *arguments.args][::-1]
    pairs = [
        *zip(positional, arguments.defaults[::-1], strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    for argument, default in pairs:
        if argument.arg == "settings" and default:
            yield f"{ast.unparse(argument)} = {ast.unparse(default)}"


def functions_with(trait: Callable[[ast.AST], bool]) -> set[str]:
    """Return the names of all functions that have a node with a trait."""
    return {
        ".".join([*file.relative_to(PACKAGE).with_suffix("").parts, function.name])
        for file in sorted(PACKAGE.rglob("*.py"))
        for function in ast.walk(parse(file))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if any(map(trait, ast.walk(function)))
    }


def _sleeps(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep"


def _doubles(node: ast.AST) -> bool:
    """Return whether a node is a power of two with a variable exponent."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Pow)
        and ast.unparse(node.left) in {"2", "2.0"}
        and not isinstance(node.right, ast.Constant)
    )


def _replaces_file(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    name = f"{ast.unparse(node.func.value)}.{node.func.attr}"
    one = node.func.attr == "replace" and len(node.args) == 1 and not node.keywords
    return one or name in {"os.replace", "tempfile.mkstemp", "tempfile.NamedTemporaryFile"}


@pytest.mark.parametrize(
    "way",
    [
        "import os; x = os.environ.get('X')",
        "import os; x = os.environ['X']",
        "import os; x = os.getenv('X')",
        "import os; x = os.getenvb(b'X')",
        "import os; x = os.environb[b'X']",
        "import os; x = dict(os.environ)",
        "import os; x = {**os.environ}",
        "import os; x = os.environ | {}",
        "import os; x = [*os.environ.items()]",
        "import os; x = 'X' in os.environ",
        "import os; x = os.environ.copy()",
        "import os; x = os.path.expandvars('$X')",
        "import os; x = getattr(os, 'environ')",
        "import os; x = vars(os)['environ']",
        "import os; x = os.__dict__['environ']",
        "import os as system; x = system.environ",
        "import os.path; x = os.environ",
        "import posix; x = posix.environ",
        "from os import environ",
        "from os import environ as e; x = e['X']",
        "from os import getenv as get",
        "from os import *",
        "from os.path import expandvars",
        "import importlib; x = importlib.import_module('os').environ",
        "x = __import__('os').environ",
        "import sys; x = sys.modules['os'].environ",
        "import psutil; x = psutil.Process().environ()",
        "from pathlib import Path; x = Path('/proc/self/environ').read_bytes()",
        "import typer; x = typer.Option(envvar='X')",
    ],
)
def test_no_way_to_read_the_environment_is_overlooked(way: str) -> None:
    assert mentions(ast.parse(way)) == {""}
    inner = f"class A:\n def b(self):\n  {way}"
    if "*" not in way.partition("import")[2][:3]:
        assert mentions(ast.parse(inner)) == {"A.b"}


@pytest.mark.parametrize(
    "other",
    [
        "import os; x = os.getpid()",
        "import os; x = os.path.join('a', 'b')",
        "from os import getpid",
        "environ = {}; x = environ['X']",
        "x = settings.environ() | kernels.build_environment()",
        "x = choose_settings(settings).environ()",
        "x = request.environ",
    ],
)
def test_another_environment_is_not_the_environment_of_the_process(other: str) -> None:
    assert mentions(ast.parse(other)) == set()


HANDED_ON = {
    "cli.completion.join_words_of_bash": "bash asks typer by variables of theirs",
    "common.kernels.build_environment": "Jupyter finds our kernels beside those that its user has",
    "notebook.notebooks._set_environment": "papermill's kernels inherit it, and take no variables",
    "web.serve._build_lab_config_path": "JupyterLab takes our configuration beside its user's",
    "web.serve.run_dashboard": "Voila gives its own environment to its kernels",
    "web.serve.run_lab": "JupyterLab gives its own environment to its kernels",
    "web.serve.run_streamlit": "Streamlit gives its own environment to dashapp.py",
    "stack.control._spawn": "a service has its starter's PATH and JAVA_HOME",
    "stack.identity.has_environment": "another process's, which has one once it has started",
    "stack.identity._marked": "another process's, which has the mark that we gave it",
    "stack.java.set_home": "Spark takes its Java from there alone",
    "web.voila_app.forking._run": "a forked kernel takes the environment that it was given",
    "web.voila_app.kernels.Forked.launch_kernel": "a kernel that is given none has its server's",
}


def test_only_settings_read_the_environment() -> None:
    """What is handed on to other programs has its reason in `HANDED_ON`."""
    found = {
        ".".join([*file.relative_to(PACKAGE).with_suffix("").parts, place])
        for file in sorted(PACKAGE.rglob("*.py"))
        for place in mentions(parse(file))
    }
    found = {place.replace(".__init__.", ".") for place in found}
    assert {place for place in found if not place.startswith("config.")} == HANDED_ON.keys()
