"""What `import liq` offers, and how little it loads."""

import subprocess
import sys

import liq

OFFERED = [
    "Dashboard", "LiqError", "Producer", "Settings", "__version__", "alerts", "charts", "export",
    "hit", "queries", "read",
]  # fmt: skip


def test_the_front_door_offers_these_names_and_nothing_else() -> None:
    assert dir(liq) == OFFERED
    assert all(getattr(liq, name) is not None for name in OFFERED)


def load(module: str, heavy: set[str]) -> str:
    """Return the names of ``heavy`` that are imported with ``module``, as text."""
    program = f"import sys, {module}; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_importing_liq_loads_no_pandas_and_no_client() -> None:
    heavy = {"pandas", "numpy", "plotly", "psycopg", "kafka", "msgspec", "pydantic", "ipywidgets"}
    assert load("liq", heavy) == "[]"


def test_importing_the_command_loads_no_pandas_no_client_and_no_web_server() -> None:
    heavy = {"pandas", "numpy", "psycopg", "kafka", "httpx", "zmq", "traitlets", "packaging"}
    assert load("liq.cli", heavy) == "[]"


def test_an_unknown_name_of_liq_is_an_attribute_error() -> None:
    assert not hasattr(liq, "no_such_name")
