"""Write what is generated from the code: tables of docs, schemas, the stub, Grafana's dashboard.

``make docs`` runs it after an edit of ``queries.json``, of `Settings` or of a venue; a test fails
if it was forgotten.
"""

import inspect
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
from liq.query import callables, catalogue

ROOT = Path(__file__).parents[1]


def documents() -> dict[Path, str]:
    """Return the generated files and their texts."""
    queries = catalogue.load(ROOT / "queries.json").queries
    queries_page = ROOT / "docs" / "queries.md"
    sections = catalogue.render_table(queries), catalogue.render_reference(queries)
    return {
        queries_page: _fill_in(queries_page, "\n".join(sections)),
        ROOT / "docs" / "settings.md": _fill_in(ROOT / "docs" / "settings.md", render_settings()),
        ROOT / "docs" / "venues.md": _fill_in(ROOT / "docs" / "venues.md", render_venues()),
        ROOT / "lib" / "liq" / "query" / "hits.pyi": callables.render_stub(queries),
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
    # from Python 3.13 on, docstrings have no indentation
    clean = json.loads(json.dumps(schema), object_hook=_clean_description)
    return json.dumps(clean, indent=2) + "\n"


def _clean_description(part: dict[str, Any]) -> dict[str, Any]:
    text = part.get("description")
    return part | {"description": inspect.cleandoc(text)} if isinstance(text, str) else part


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text)
