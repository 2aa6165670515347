"""Alerts: rules over named queries, evaluated again and again; what fires is a stream."""

from liq.alerts.evaluator import Evaluator, Finding, check, run
from liq.alerts.rules import Rule, Rules, json_schema, rules

__all__ = ["Evaluator", "Finding", "Rule", "Rules", "check", "json_schema", "rules", "run"]
