"""Alerts as a list, and their rules as a table."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from liq.analysis.alerts import Rule, Rules
from liq.analysis.alerts.rules import comparison
from liq.common.html import join, table
from liq.web.dashboard.markup.text import alert


def alerts(raised: pd.DataFrame | None) -> Markup:
    """What rules raised, newest first, from ``alerts``; nothing where they raised nothing."""
    if raised is None or raised.empty:
        return Markup()
    items = join(map(_item, raised.itertuples(index=False)))
    return Markup('<ol class="liq-alerts" aria-label="alerts">{}</ol>').format(items)


def rules(known: Rules) -> Markup:
    """What the rules say, and why those that cannot be used are not."""
    rows = (_rule(name, rule) for name, rule in known.rules.items())
    faults = join(map(alert, known.faults.values()))
    return table(("rule", "fires when", "cool-down", "description"), rows) + faults


def _rule(name: str, rule: Rule) -> Markup:
    return Markup(
        '<tr><td class="liq-{severity}">{name}</td><td>{comparison}</td><td>{cool_down}</td>'
        "<td>{description}</td></tr>"
    ).format(
        severity=rule.severity,
        name=name,
        comparison=comparison(rule),
        cool_down=rule.cool_down,
        description=rule.description,
    )


def _item(row: Any) -> Markup:
    measure = f"{row.query}: {row.measure} {row.value:,.6g}, threshold {row.threshold:,.6g}"
    return Markup(
        '<li class="liq-{severity}" title="{measure}"><time>{time}</time><b>{severity}</b>'
        "<span>{rule}</span>{message}{mark}</li>"
    ).format(
        severity=row.severity,
        measure=measure,
        time=f"{row.ts:%m-%d %H:%M:%S}",
        rule=row.rule,
        message=row.message,
        mark=Markup("") if row.live else Markup(" <mark>not live data</mark>"),
    )
