"""Text leaves only through the helpers that escape it: what the code may not do is not there.

What these tests cannot see `test_markup_from_outside.py` tries in a browser.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "lib" / "liq"
CODE = [*sorted(PACKAGE.rglob("*.py")), ROOT / "dashapp.py"]
SHIPPED = {"plotly-finance.min.js", "uPlot.iife.min.js"}  # others' own
PAGES = sorted(
    file
    for file in {*PACKAGE.rglob("*.js"), *PACKAGE.rglob("*.html"), *PACKAGE.rglob("*.j2")}
    if file.name not in SHIPPED
)

TAG = re.compile(
    r"(?<!\(\?P)</?[a-z][a-z0-9]*(\s[^<>]*)?/?>|<[a-z]+\s+[a-z-]+=|<!--|<!DOCTYPE", re.IGNORECASE
)
# plotly's own tags: liq.analysis.charts escapes what is put beside them
PLOTLY = re.compile(r"</?(b|extra|br)>")
# the pages' own scripts; tornado's json_encode lets no text end the one that holds data
SCRIPTS = {
    ("lib/liq/common/compat/voila_pages.py", "<script>window.voila_heartbeat()</script>\n"),
    ("lib/liq/web/voila_app/server.py", '<script type="application/json" id="liq-visit">'),
    ("lib/liq/web/voila_app/server.py", "</script>\n"),
    ("lib/liq/common/web.py", r"<script(?: type=[\"']text/javascript[\"'])?>(.*?)</script>"),
}
# scripts may write such HTML alone: made of Markup by the kernel, shown by the notebook's author,
# or copied from the page itself
WRITERS = {
    ("last.js", "tree.innerHTML = frame.html"),
    ("table.js", 'el.innerHTML = model.get("html")'),
    ("rules.js", 'table.innerHTML = model.get("html")'),
    ("rules.js", 'result.innerHTML = model.get("result")'),
    ("tape.js", 'box.innerHTML = model.get("html")'),
    ("tape.js", 'drawn.innerHTML = model.get("html")'),
    ("output.js", 'el.innerHTML = data["text/html"]'),
}


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def cells(notebook: Path) -> Iterator[ast.Module]:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            yield compile("".join(cell["source"]), name(notebook), "exec", flags)


TREES = [(name(file), ast.parse(file.read_text())) for file in CODE]
TREES += [
    (name(file), tree) for file in sorted(ROOT.glob("notebooks/**/*.ipynb")) for tree in cells(file)
]


def attributes(*names: str) -> set[str]:
    """Return where an attribute of these names is read, or an argument of these names is given."""
    return {
        where
        for where, tree in TREES
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.keyword) and node.arg in names)
        or (isinstance(node, ast.alias) and node.name.rpartition(".")[2] in names)
    }


def test_there_is_code_to_check() -> None:
    assert len(TREES) > 150
    assert {"table.js", "index.html.j2"} <= {file.name for file in PAGES}


def test_pandas_styler_is_used_in_its_wrapper_only() -> None:
    assert attributes("style", "Styler") - {"lib/liq/cli/stack.py"} == {
        "lib/liq/analysis/tables.py"
    }
    # rich's style of a line
    assert ".style" not in (PACKAGE / "cli" / "stack.py").read_text()


def test_pandas_own_html_is_not_used() -> None:
    assert attributes("to_html") == {"lib/liq/analysis/tables.py"}  # of the Styler, as above


def test_streamlit_is_given_no_html() -> None:
    assert (
        attributes("unsafe_allow_html", "unsafe_allow_javascript", "iframe", "components") == set()
    )
    shows = {
        node.attr
        for where, tree in TREES
        if where == "dashapp.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "st"
    }
    assert not shows & {"html", "markdown", "write", "latex", "title_html"}


def test_notebooks_show_no_html_of_their_own() -> None:
    assert attributes("HTML", "Javascript", "display_html", "SVG") == {
        "lib/liq/web/dashboard/widgets.py"
    }


def docstrings(tree: ast.Module) -> set[ast.expr]:
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, _DOCUMENTED))
    firsts = (body[0] for body in bodies if body)
    return {first.value for first in firsts if isinstance(first, ast.Expr)}


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def templates(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield what calls of Markup are given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Markup", "markupsafe.Markup"):
            yield from node.args


@pytest.mark.parametrize(
    ("where", "tree"), TREES, ids=lambda part: part if isinstance(part, str) else ""
)
def test_html_is_written_as_templates_of_markup(where: str, tree: ast.Module) -> None:
    literal = {node for node in templates(tree) if isinstance(node, ast.Constant)} | docstrings(
        tree
    )
    faults = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in literal
        if (where, node.value) not in SCRIPTS
        if TAG.search(PLOTLY.sub("", node.value) if "/charts/" in where else node.value)
    ]
    assert faults == []


def test_only_text_that_is_known_to_be_escaped_is_declared_to_be_html() -> None:
    declared = {
        (where, ast.unparse(argument))
        for where, tree in TREES
        for argument in templates(tree)
        if not isinstance(argument, ast.Constant)
    }
    assert declared == {
        ("lib/liq/web/dashboard/widgets.py", "css"),  # a file of the package
        ("lib/liq/notebook/reports.py", "data"),  # JSON without a "<"
    }


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_scripts_and_templates_write_no_html_of_outside_text(page: Path) -> None:
    text = page.read_text()
    writes = re.findall(r"[\w.]+\.(?:innerHTML|outerHTML)\s*\+?=[^=][^;\n)]*\)?", text)
    assert {(page.name, write.strip()) for write in writes} <= WRITERS
    assert not re.search(
        r"insertAdjacentHTML|document\.write|createContextualFragment|\beval\(", text
    )
    of_the_server = text.replace("{{ xsrf_form_html() | safe }}", "")
    assert not re.search(r"\|\s*safe\b|autoescape\s+false", of_the_server)


def test_commands_print_through_one_module() -> None:
    printers = {
        where
        for where, tree in TREES
        if where.startswith("lib/liq/cli/")
        for node in ast.walk(tree)
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "typer.echo"))
        or (isinstance(node, ast.ImportFrom) and node.module in ("rich.console", "rich.markup"))
    }
    imports = {
        where
        for where, tree in TREES
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) and any(one.name == "rich.console" for one in node.names)
    }
    assert printers | imports == {"lib/liq/cli/output.py"}


def test_commands_style_only_text_that_was_made_printable() -> None:
    # rich's Text lets control characters through
    made = {
        (where, ast.unparse(node))
        for where, tree in TREES
        if where.startswith("lib/liq/cli/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("Text", "Text.assemble", "rich.text.Text")
    }
    assert made == {
        ("lib/liq/cli/output.py", "Text(printable(text), style)"),
        ("lib/liq/cli/output.py", "Text.assemble(*parts)"),
    }
