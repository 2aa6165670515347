"""Write what is generated from the code: the README's table, docs/queries.md, the JSON schemas.

``make docs`` runs it after an edit of ``queries.json``; a test fails where that was forgotten.
"""

import json
import re
from pathlib import Path
from typing import Any

from liq.analysis import alerts
from liq.query import catalogue, reference

ROOT = Path(__file__).parents[1]
_TABLE = re.compile(r"(<!-- queries -->\n)(.*?)(<!-- made by `make docs` -->)", re.DOTALL)
_HEAD = """# Queries

Made by `make docs` from `queries.json`. `liq.hit(key, **parameters)` runs one; `liq api` serves it
at `/key`. Durations are like `90s`, `15m`, `4h` or `7d`; times are UTC.

A window holds the rows from `until` less `window` on, and before `until`. A row hash writes times
as ISO 8601 with six digits of microseconds and a `Z`. Rows that a query's order does not tell apart
may come in any order.

"""


def documents() -> dict[Path, str]:
    """Return what is generated: files and their texts."""
    readme = ROOT / "README.md"
    queries, _ = catalogue.load(ROOT / "queries.json")
    table = reference.table(queries)
    return {
        readme: _TABLE.sub(lambda found: found[1] + table + found[3], readme.read_text()),
        ROOT / "docs" / "queries.md": _HEAD + reference.reference(queries),
        ROOT / "queries.schema.json": _json(catalogue.json_schema()),
        ROOT / "alerts.schema.json": _json(alerts.json_schema()),
    }


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text)
