"""Alerts: rules over named queries, evaluated every few seconds; alerts are a stream.

`liq.analysis.alerts.evaluator` evaluates them. It is not imported here, since the dashboard shows
the rules without Kafka or a webhook.
"""

from liq.analysis.alerts.backtest import Backtest, backtest
from liq.analysis.alerts.rules import Rule, Rules, create_json_schema, list_rules, load_rules

__all__ = [
    "Backtest",
    "Rule",
    "Rules",
    "backtest",
    "create_json_schema",
    "list_rules",
    "load_rules",
]


def __dir__() -> list[str]:
    return __all__
