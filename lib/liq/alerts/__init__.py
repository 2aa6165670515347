"""Alerts: rules over named queries, evaluated again and again; what fires is a stream."""

from liq.alerts.backtest import Backtest, backtest
from liq.alerts.evaluator import Evaluator, Finding, check, run
from liq.alerts.rules import Rule, Rules, json_schema, listing, rules

__all__ = [
    "Backtest",
    "Evaluator",
    "Finding",
    "Rule",
    "Rules",
    "backtest",
    "check",
    "json_schema",
    "listing",
    "rules",
    "run",
]
