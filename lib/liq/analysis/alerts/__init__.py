"""Alerts: rules over named queries, evaluated again and again; what fires is a stream.

`liq.analysis.alerts.evaluator` does that. It is not imported here: to show the rules, as the
dashboard does, takes no Kafka and no webhook.
"""

from liq.analysis.alerts.backtest import Backtest, backtest
from liq.analysis.alerts.rules import Rule, Rules, json_schema, listing, rules

__all__ = ["Backtest", "Rule", "Rules", "backtest", "json_schema", "listing", "rules"]
