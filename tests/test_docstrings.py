"""The examples of docstrings run, and each public name of the reference has one."""

import ast
import doctest
import io
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import liq
from liq import config
from liq.config import Settings
from liq.delivery import messaging
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS
from support.helpers import own_streams
from support.rows import health, insert, insert_prices, liquidation, own_table, price, report

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "lib"
REFERENCE = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
READS_ROWS = re.compile(r"\b(backtest|export|hit|Dashboard|Producer)\(")


def docstrings() -> Iterator[tuple[str, str, Path, int]]:
    """Yield the name, text, file and line of each docstring of the library."""
    for file in sorted((LIBRARY / "liq").rglob("*.py")):
        module = ".".join(file.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__")
        yield from _docstrings(ast.parse(file.read_text()), module, file)


def _docstrings(tree: ast.AST, name: str, file: Path) -> Iterator[tuple[str, str, Path, int]]:
    if isinstance(tree, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        if text := ast.get_docstring(tree):
            yield name, text, file, tree.body[0].lineno - 1
        for child in tree.body:
            yield from _docstrings(child, f"{name}.{getattr(child, 'name', '')}", file)


def examples() -> dict[str, doctest.DocTest]:
    """Return the docstrings with examples, by name."""
    parser = doctest.DocTestParser()
    found = {
        name: parser.get_doctest(text, {"liq": liq}, name, str(file), line)
        for name, text, file, line in docstrings()
    }
    return {name: test for name, test in found.items() if test.examples}


EXAMPLES = examples()


def needs_rows(name: str) -> bool:
    return any(READS_ROWS.search(example.source) for example in EXAMPLES[name].examples)


def public_names() -> list[str]:
    """Return the functions, classes and modules of the reference, by the module that has them."""
    names = []
    for entry in REFERENCE:
        value = pkgutil.resolve_name(entry)
        exported = getattr(value, "__all__", None)
        if exported is None:
            names.append(_home(value, entry))
        else:
            names += [
                _home(getattr(value, one), one) for one in exported if _is_described(value, one)
            ]
    return names


def _is_described(module: object, name: str) -> bool:
    """Whether a name is a function or a class, not a constant or a type alias."""
    value = getattr(module, name)
    return callable(value) and getattr(value, "__module__", "").startswith("liq.")


def _home(value: object, entry: str) -> str:
    name = getattr(value, "__qualname__", None)
    return f"{value.__module__}.{name}" if name else entry


def run(name: str) -> None:
    """Run the examples of a docstring, and fail with the report of `doctest`."""
    test, output = EXAMPLES[name], io.StringIO()
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    runner.run(test, out=output.write)
    assert not runner.failures, output.getvalue()


@pytest.fixture(scope="module")
def rows(stack: Settings) -> Settings:
    """Return settings whose tables have a cascade of two venues, mark prices and feed health."""
    settings = own_streams(own_table(stack), LIQUIDATIONS, FEED_HEALTH, names=["topic"])
    messaging.ensure_topics(settings)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    venues = ("bybit", "binance_usdm")
    insert(
        settings,
        [
            liquidation(start + timedelta(seconds=second), usd, exchange=venues[second % 2])
            for second, usd in enumerate([1_200_000, 250_000, 90_000, 40_000, 20_000, 10_000])
        ],
    )
    insert_prices(
        settings,
        [
            price(start + timedelta(seconds=second), 100 - second / 100)
            for second in range(-120, 480, 5)
        ],
    )
    moments = (start - timedelta(seconds=60), start, start + timedelta(seconds=540))
    report(settings, [health(moment, exchange=venue) for venue in venues for moment in moments])
    return settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make an empty folder the home and the current one; settings read there end with the test."""
    monkeypatch.setenv("LIQ_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    config.settings.cache_clear()
    yield
    config.settings.cache_clear()


@pytest.fixture
def current(rows: Settings, folder: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make these the process's settings, and an empty folder the current one."""
    for name, value in rows.environ().items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", sorted(name for name in EXAMPLES if not needs_rows(name)))
def test_an_example_without_servers_runs(name: str, folder: None) -> None:
    run(name)


@pytest.mark.stack
@pytest.mark.parametrize("name", sorted(name for name in EXAMPLES if needs_rows(name)))
def test_an_example_on_the_servers_runs(name: str, current: None) -> None:
    run(name)


@pytest.mark.parametrize("name", public_names())
def test_a_public_name_or_one_of_its_members_has_an_example(name: str) -> None:
    assert any(example == name or example.startswith(f"{name}.") for example in EXAMPLES)


def test_no_example_is_skipped() -> None:
    skipped = [
        name
        for name, test in EXAMPLES.items()
        if any(example.options.get(doctest.SKIP) for example in test.examples)
    ]
    assert not skipped


def test_each_example_shows_a_result() -> None:
    silent = [name for name, test in EXAMPLES.items() if not any(one.want for one in test.examples)]
    assert not silent


ENTRY = re.compile(r"^ {4}[\w*`.]+: [a-z].*", re.MULTILINE)  # of Args and Raises


def test_a_descriptions_first_letter_is_a_capital() -> None:
    sections = {
        (name, entry)
        for name, text, _, _ in docstrings()
        for section in re.findall(r"^(?:Args|Raises):\n((?: {4}.*\n?)+)", text, re.MULTILINE)
        for entry in ENTRY.findall(section)
    }
    assert not sections
