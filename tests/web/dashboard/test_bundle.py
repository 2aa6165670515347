"""The part of plotly.js that the live dashboard's page loads."""

import re
from pathlib import Path

from plotly.offline import get_plotlyjs_version

from liq.web import voila_app

STATIC = Path(voila_app.__file__).with_name("static")
BUNDLE = (STATIC / "plotly-finance.min.js").read_text()


def test_the_bundle_is_of_the_version_of_plotly() -> None:
    """Else take the next one from npm: CONTRIBUTING.md."""
    [version] = re.findall(r"finance - minified\) v(\d+\.\d+)\.", BUNDLE[:100])
    assert get_plotlyjs_version().startswith(f"{version}.")


def test_the_page_knows_which_traces_the_bundle_has() -> None:
    has = set(re.findall(r'moduleType:"trace",name:"([a-z0-9]+)"', BUNDLE))
    [known] = re.findall(r"const FINANCE = new Set\(\[(.*?)\]", (STATIC / "output.js").read_text(),
                         re.DOTALL)  # fmt: skip
    assert set(re.findall(r'"(\w+)"', known)) == has
    assert {"bar", "candlestick", "scatter"} <= has
