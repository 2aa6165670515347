"""Backtest a rule: evaluate it over history as it is live, and at other thresholds."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from rich.progress import Progress

from liq.analysis.alerts.decision import Measured, compare, decide, is_cooling_down
from liq.analysis.alerts.history import History
from liq.analysis.alerts.rules import (
    Rule,
    check_past,
    describe_condition,
    describe_unit,
    load_rules,
)
from liq.common.text import suggest
from liq.common.waiting import show_wait
from liq.config import Settings, choose_settings
from liq.errors import RuleError
from liq.query import queries
from liq.query.parameters import Parameter, format_duration, parse_duration
from liq.records.model import Alert

if TYPE_CHECKING:
    import pandas as pd

_MOST = 20_000  # steps: some minutes
_USUAL = 2_000
_LIVE = timedelta(seconds=5)
_AT_ONCE = 4
_CANDIDATES = 25  # thresholds
_BUCKETS = ("1s", "5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "1d")
_BARS = 300
_DURATION = Parameter(type="duration")
_MOMENT = Parameter(type="timestamp")


@dataclass(frozen=True, slots=True)
class Backtest:
    """A rule over a stretch of history.

    ``alerts`` are the alerts it would have raised, oldest first: ``ts``, ``rule``, ``severity``,
    ``value``, ``threshold``, ``message``, ``live``, ``subject``. ``values`` has the measured values
    at every ``step``: ``ts``, ``subject`` and ``value`` (NaN where there was none). A rule with
    ``by`` has a row for each subject. ``unit`` is the unit of value and threshold.

    Example:
        >>> history = liq.alerts.backtest("long_burst", window="30m", step="1m")
        >>> print(history)
        long_burst: long_usd of totals within 1m >= 1,000,000, cool-down 5m
        1 alert(s) from ..., evaluated every 0:01:00 (30 times)
        >>> list(history.thresholds([1_000_000, 5_000_000]).columns)
        ['threshold', 'alerts', 'per_day']
    """

    name: str
    rule: Rule
    since: datetime
    until: datetime
    step: timedelta
    unit: str
    alerts: "pd.DataFrame"
    values: "pd.DataFrame"

    def __str__(self) -> str:
        span = f"{self.since:%Y-%m-%d %H:%M:%S} to {self.until:%Y-%m-%d %H:%M:%S} UTC"
        unknown = self.values.loc[self.values["value"].isna(), "ts"].nunique()
        lacking = f", {unknown:,} without enough history or coverage" if unknown else ""
        return (
            f"{self.name}: {describe_condition(self.rule)}\n"
            f"{len(self.alerts):,} alert(s) from {span},"
            f" evaluated every {self.step} ({self.values['ts'].nunique():,} times"
            f"{lacking if self.rule.against else ''})"
        )

    @property
    def bucket(self) -> str:
        """The narrowest bucket with which the whole time has no more than 300 bars."""
        spans = ((text, parse_duration(text)) for text in _BUCKETS)
        fitting = (text for text, span in spans if (self.until - self.since) / span <= _BARS)
        return next(fitting, _BUCKETS[-1])

    def thresholds(self, candidates: Sequence[float] = ()) -> "pd.DataFrame":
        """Return how often the rule would have fired at other thresholds, its cool-down included.

        By default some between the least and the greatest value seen. Columns: ``threshold``,
        ``alerts`` in the whole time, ``per_day``. Raises `RuleError` for a rule that
        compares with == or !=.
        """
        import pandas as pd  # noqa: PLC0415 - importing this module stays quick

        if self.rule.comparison in ("==", "!="):
            raise RuleError(
                f"{self.name} compares with {self.rule.comparison}:"
                " other thresholds cannot be tried"
            )
        days = (self.until - self.since) / timedelta(days=1)
        chosen = sorted(candidates) or self._candidates()
        counts = [self._count(threshold) for threshold in chosen]
        return pd.DataFrame(
            {
                "threshold": pd.Series(chosen, dtype="float64"),
                "alerts": pd.Series(counts, dtype="int64"),
                "per_day": pd.Series([count / days for count in counts], dtype="float64"),
            }
        )

    def _count(self, threshold: float) -> int:
        met = self.values[compare(self.rule.comparison, self.values["value"], threshold)]
        count, fired = 0, dict[str | None, datetime]()
        for moment, subject in zip(met["ts"], met["subject"], strict=True):
            if not is_cooling_down(self.rule, subject, moment, fired):
                count, fired[subject] = count + 1, moment
        return count

    def _candidates(self) -> list[float]:
        import numpy as np  # noqa: PLC0415 - as above

        known = self.values["value"].dropna()
        if known.empty:
            return []
        least, most = known[known > 0].min(), known.max()
        if known.min() >= 0 and most > 0:  # sizes: few are great
            between = np.geomspace(least, most, _CANDIDATES)
        else:
            between = np.linspace(known.min(), most, _CANDIDATES)
        return sorted({*between.round(9).tolist(), self.rule.threshold})


def backtest(
    rule: str | Rule,
    window: str | timedelta = "1d",
    until: str | datetime | None = None,
    step: str | timedelta | None = None,
    *,
    settings: Settings | None = None,
    progress: bool = False,
) -> Backtest:
    """Evaluate a rule at every ``step`` of the past, by the code that evaluates it live.

    Each step runs the rule's query as of that moment; live, steps are 5 s apart. Between two steps
    a sum may have been greater for a moment. Rows count from their venue's time on, but live only
    once they arrive.

    Args:
        rule: A `Rule`, or the name of a rule of ``alerts.json``.
        window: The length of the history, which ends at ``until`` (now by default).
        step: By default a quarter of the rule's own window, or all of a shorter history. For a long
            history it is longer, for about 2,000 runs, but at most the rule's window, so that each
            print is seen.
        progress: Show a progress bar.

    Raises:
        RuleError: The rule is unknown, its query has no window or ``until``, a step is longer than
            the history, or there are more than 20,000 steps.
        LiqError: As for `liq.hit`.

    Example:
        >>> history = liq.alerts.backtest("long_burst", window="30m", step="1m")
        >>> history.unit, len(history.values)
        ('USD', 30)
    """
    settings = choose_settings(settings)
    name, rule = ("rule", rule) if isinstance(rule, Rule) else (rule, _find_rule(rule, settings))
    query = queries.find(rule.query, settings)
    if not (rule.window and "until" in query.params):
        raise RuleError(f"{name} cannot be tried on the past: {query.key} takes no window or until")
    check_past(rule, query)
    end = _MOMENT.value("until", until) or datetime.now(UTC)
    begin = end - _DURATION.value("window", window)
    each = _DURATION.value("step", step) or _choose_step(end - begin, rule)
    moments = _list_moments(begin, end, each)
    with show_wait(
        f"evaluating {name} over the past", math.inf if progress else settings.progress_after
    ):
        alerts, history = _evaluate_all(name, rule, moments, settings, progress=progress)
    unit = describe_unit(rule, query)
    return Backtest(name, rule, begin, end, each, unit, _build_table(alerts), history)


def _find_rule(name: str, settings: Settings) -> Rule:
    """Return a rule of the settings' file. Raises `RuleError` if there is none, or a faulty one."""
    found, faults = load_rules(settings)
    if name in faults:
        raise RuleError(faults[name])
    if name not in found:
        raise RuleError(f"there is no rule {name!r}{suggest(name, sorted(found))}")
    return found[name]


def _choose_step(span: timedelta, rule: Rule) -> timedelta:
    own = parse_duration(rule.window)
    step = max(_LIVE, min(max(own / 4, span / _USUAL), own))
    return min(timedelta(seconds=math.ceil(step.total_seconds())), span)


def _list_moments(begin: datetime, end: datetime, step: timedelta) -> list[datetime]:
    span = end - begin
    count = span // step
    if count < 1:
        raise RuleError(f"step={step} is longer than the window of {span}: give a shorter step")
    if count > _MOST:
        least = timedelta(seconds=math.ceil(span.total_seconds() / _MOST))
        raise RuleError(
            f"the window of {span} has {count:,} steps of {step}, and {_MOST:,} at most can be"
            f" evaluated: give a step of {format_duration(least)} or more, or a shorter window"
        )
    return [end - step * number for number in reversed(range(count))]


def _evaluate_all(
    name: str, rule: Rule, moments: Sequence[datetime], settings: Settings, *, progress: bool
) -> "tuple[list[Alert], pd.DataFrame]":
    alerts: list[Alert] = []
    history: list[tuple[datetime, Sequence[Measured]]] = []
    fired: dict[str | None, datetime] = {}
    with Progress(disable=not progress) as bar:
        text = f"{name} over the past"
        task = bar.add_task(text, total=len(moments))

        def report(windows: int) -> None:  # the first moment may need hundreds
            bar.update(task, description=f"{text}, {windows:,} earlier windows read")

        past = zip(moments, _measure_all(rule, moments, settings, report), strict=True)
        for moment, seen in bar.track(past, task_id=task):
            history.append((moment, seen))
            raised = decide(name, rule, seen, moment, fired)
            alerts += raised
            fired |= {alert.subject: moment for alert in raised}
    return alerts, _build_history(history)


def _measure_all(
    rule: Rule, moments: Sequence[datetime], settings: Settings, report: Callable[[int], object]
) -> Iterator[list[Measured]]:
    """Yield what the rule measures as of each moment."""
    history = History(settings, report=report)
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        yield from pool.map(lambda moment: history.measure(rule, moment).seen, moments)
    finally:
        pool.shutdown(cancel_futures=True)


def _build_table(alerts: Sequence[Alert]) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415 - as above

    columns = ["ts", "rule", "severity", "value", "threshold", "message", "live", "subject"]
    rows = [msgspec.structs.asdict(alert) for alert in alerts]
    frame = pd.DataFrame(rows, columns=columns)
    frame["ts"] = pd.to_datetime(frame["ts"].astype("int64"), unit="us", utc=True)
    frame["severity"] = frame["severity"].astype("str")
    return frame


def _build_history(history: Sequence[tuple[datetime, Sequence[Measured]]]) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415 - as above

    rows = [(moment, one.subject, one.value) for moment, seen in history for one in seen]
    frame = pd.DataFrame(rows, columns=["ts", "subject", "value"])
    frame["ts"] = pd.to_datetime(frame["ts"], utc=True)
    return frame.astype({"subject": object, "value": "float64"})  # None: NaN
