"""What alert rules raised, as a list."""

from html import escape
from typing import Any

import pandas as pd


def alerts(raised: pd.DataFrame | None) -> str:
    """What rules raised, newest first, from ``alerts``; nothing where they raised nothing."""
    if raised is None or raised.empty:
        return ""
    items = "".join(map(_item, raised.itertuples(index=False)))
    return f'<ol class="liq-alerts" aria-label="alerts">{items}</ol>'


def _item(row: Any) -> str:
    severity, measure = escape(str(row.severity)), escape(f"{row.query}: {row.measure}")
    mark = "" if row.live else " <mark>not live data</mark>"
    return (
        f'<li class="liq-{severity}"'
        f' title="{measure} {row.value:,.6g}, threshold {row.threshold:,.6g}">'
        f"<time>{row.ts:%m-%d %H:%M:%S}</time><b>{severity}</b>"
        f"<span>{escape(str(row.rule))}</span>{escape(str(row.message))}{mark}</li>"
    )
