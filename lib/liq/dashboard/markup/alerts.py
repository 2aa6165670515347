"""Alerts as a list, and their rules as a table."""

from html import escape
from typing import Any

import pandas as pd

from liq.alerts import Rule, Rules
from liq.alerts.rules import comparison
from liq.dashboard.markup.text import alert


def alerts(raised: pd.DataFrame | None) -> str:
    """What rules raised, newest first, from ``alerts``; nothing where they raised nothing."""
    if raised is None or raised.empty:
        return ""
    items = "".join(map(_item, raised.itertuples(index=False)))
    return f'<ol class="liq-alerts" aria-label="alerts">{items}</ol>'


def rules(known: Rules) -> str:
    """What the rules say, and why those that cannot be used are not."""
    head = "".join(f"<th>{name}</th>" for name in ("rule", "fires when", "rests", "tells"))
    rows = "".join(_rule(name, rule) for name, rule in known.rules.items())
    faults = "".join(alert(fault) for fault in known.faults.values())
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{faults}"


def _rule(name: str, rule: Rule) -> str:
    return (
        f'<tr><td class="liq-{escape(str(rule.severity))}">{escape(name)}</td>'
        f"<td>{escape(comparison(rule))}</td><td>{escape(rule.cool_down)}</td>"
        f"<td>{escape(rule.description)}</td></tr>"
    )


def _item(row: Any) -> str:
    severity, measure = escape(str(row.severity)), escape(f"{row.query}: {row.measure}")
    mark = "" if row.live else " <mark>not live data</mark>"
    return (
        f'<li class="liq-{severity}"'
        f' title="{measure} {row.value:,.6g}, threshold {row.threshold:,.6g}">'
        f"<time>{row.ts:%m-%d %H:%M:%S}</time><b>{severity}</b>"
        f"<span>{escape(str(row.rule))}</span>{escape(str(row.message))}{mark}</li>"
    )
