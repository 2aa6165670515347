"""Write what is generated from the code: docs/queries.md, tables, schemas, Grafana's dashboard.

``make docs`` runs it after an edit of ``queries.json``, of `Settings` or of a venue; a test fails
if it was forgotten.
"""

import json
import re
from pathlib import Path
from typing import Any

import grafana_dashboard
from pydantic import SecretStr

from liq import config
from liq.analysis import alerts
from liq.config import Settings
from liq.ingest import semantics
from liq.query import catalogue

ROOT = Path(__file__).parents[1]
_HEAD = """# Queries

`make docs` writes this page from `queries.json`; its text is in `tools/document.py`.

`queries.json` names the SQL. `liq.hit(key, **parameters)` runs a query as QuestDB's read-only user,
with bound values, and `liq api` serves it at `/key`.

```python
import liq

liq.hit("liquidations_by_bucket", bucket="5m", window="6h", symbols=["BTCUSDT"])
```

- Durations are like `90s`, `15m`, `4h` or `7d`; times are UTC.
- A window ends before `until` and begins `window` earlier; a row at its beginning is in it.
- Symbols, assets and exchanges are accepted in any case. A name that no row has gives a note with
  the nearest names, for each parameter that takes names.
- `assets=PEPE` takes every contract on a coin, whatever its multiplier: PEPE and 1000PEPE of all
  exchanges. `symbols` takes contracts by the exchange's own names.
- Rows with the same values in the columns of a query's order may come in any order.

"""
_MORE = """
## Add a query

An entry is SQL, a description, parameters with type, default and bounds, and columns with types and
units. A plain string, as in the original app, works too. Edits are picked up without a restart.
`"$schema": "./queries.schema.json"` lets an editor complete and check them.

## Write a result into a file

A file gets a stamp that lets others check the result. The stamp has the query's text, its
parameters, the window in absolute time, its gaps and a hash of the rows.
`liq.query.exports.hash_rows` defines the hash; it writes times as ISO 8601 with six digits of
microseconds and a `Z`.

```python
liq.export(
    "prints", "prints.parquet", window="1d"
)  # or .csv; liq.query.exports.read_stamp(file) reads it
```

`liq report` runs the notebook `report` and writes one HTML file that works offline. Each figure has
the same stamps beneath it. With the same `--until` the hashes are the same.

"""


def documents() -> dict[Path, str]:
    """Return the generated files and their texts."""
    queries, _ = catalogue.load(ROOT / "queries.json")
    sections = catalogue.render_table(queries), _MORE, catalogue.render_reference(queries)
    return {
        ROOT / "docs" / "queries.md": _HEAD + "".join(sections),
        ROOT / "docs" / "settings.md": _fill_in(ROOT / "docs" / "settings.md", render_settings()),
        ROOT / "docs" / "venues.md": _fill_in(ROOT / "docs" / "venues.md", render_venues()),
        ROOT / "queries.schema.json": _json(catalogue.create_json_schema()),
        ROOT / "alerts.schema.json": _json(alerts.create_json_schema()),
        **grafana_dashboard.render_files(),
    }


def render_settings() -> str:
    """Return all settings but those of streams as a table of Markdown."""
    head = "| setting | meaning | default |\n|---|---|---|\n"
    rows = (
        (
            f"`{config.name_variable(name)}`",
            str(field.description),
            _describe_default(name, field.default),
        )
        for name, field in Settings.model_fields.items()
        if name != "streams"
    )
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def render_venues() -> str:
    """Return all feeds as a table of Markdown."""
    head = "| venue | shows | price of a row | not covered |\n|---|---|---|---|\n"
    return head + "".join(
        f"| [`{venue.venue}`]({venue.documentation}) | {venue.shows} | {venue.price_kind} "
        f"| {venue.not_covered} |\n"
        for venue in semantics.list_venues().itertuples()
    )


def _describe_default(name: str, default: object) -> str:
    if isinstance(default, SecretStr):
        return "created at the first start" if name in config.SECRETS else ""
    if isinstance(default, Path):
        return f"folder `liq` of your user's {'cache' if name == 'cache' else 'data'}"
    return f"`{default}`" if default not in (None, "") else ""


def _fill_in(page: Path, text: str) -> str:
    """Return the page with ``text`` between its two comments."""
    between = r"(<!-- made by make docs -->\n).*(<!-- end -->)"
    return re.sub(between, lambda found: found[1] + text + found[2], page.read_text(), flags=re.S)


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text)
