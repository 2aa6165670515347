"""Evaluate all rules every few seconds: log, publish and send alerts."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from pydantic import SecretStr

from liq.analysis import links
from liq.analysis.alerts.decision import SUBJECT_SEPARATOR, Fired, decide, find_nearest
from liq.analysis.alerts.history import History
from liq.analysis.alerts.outbox import LinkedAlert, Outbox
from liq.analysis.alerts.rules import Rule, find_rule_place, load_rules
from liq.analysis.alerts.webhook import Webhook
from liq.common import waiting
from liq.common.text import suggest
from liq.config import Settings, choose_settings
from liq.delivery.messaging import OutageLog, Publisher
from liq.errors import ConfigError, LiqError
from liq.query import questdb
from liq.records.model import Alert, Severity, Text, encode
from liq.records.streams import ALERTS

_LOG = logging.getLogger(__name__)
_GRACE_S = 5.0
_NONE, _LONGEST = timedelta(), timedelta(days=36_525)
_HISTORY_S = 2.0  # of a tick, to read the past of a rule: others and the end must not wait
_LEVELS = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.CRITICAL,
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A rule evaluated now: its value and the alerts that it would raise, or its fault.

    For a rule with ``by``, ``value`` is the value of the subject nearest to firing, and ``met``
    counts the subjects that meet the condition. ``notes`` report names in its parameters that no
    row has, with which it can hardly fire.
    """

    name: str
    rule: Rule | None
    value: float | None = None
    met: int = 0
    alerts: Sequence[Alert] = ()
    fault: str = ""
    notes: tuple[str, ...] = ()


class Delivery(NamedTuple):
    """What came of an alert sent to ``receiver``; ``fault`` is "" if it got through.

    ``address`` shows no secret.
    """

    receiver: str
    address: str
    fault: str


class Evaluator:
    """Evaluates the settings' rules; each tick reloads the file if it was edited.

    The table of alerts holds the last alert of each rule, so a restart does not raise it again.
    Until an alert is visible there, it is remembered here. A failing rule, QuestDB or receiver
    does not stop the evaluator.
    """

    def __init__(
        self, publisher: Publisher, settings: Settings, outboxes: Sequence[Outbox] = ()
    ) -> None:
        self._publisher = publisher
        self._settings = settings
        self._outboxes = outboxes
        self._history = History(settings, _HISTORY_S)
        self._fired: dict[str, dict[str | None, datetime]] = defaultdict(dict)
        self._logged: dict[str, str] = {}
        self._hinted: dict[str, tuple[str, ...]] = {}

    async def tick(self) -> list[Alert]:
        """Evaluate every rule once; return the alerts raised."""
        try:
            evaluations = await asyncio.to_thread(check, self._settings, self._fired, self._history)
        except Exception as error:
            self._log_fault("all rules", str(error) if isinstance(error, LiqError) else repr(error))
            return []
        self._log_fault("all rules", "")
        for one in evaluations:
            self._log_fault(one.name, one.fault)
            unknown = _list_unknown_receivers(one.rule, self._settings) if one.rule else {}
            self._hint(one.name, (*one.notes, *unknown.values()))
        fired = [(alert, one.rule) for one in evaluations if one.rule for alert in one.alerts]
        for alert, rule in fired:
            await self._raise(alert, rule)
        return [alert for alert, _ in fired]

    async def _raise(self, alert: Alert, rule: Rule) -> None:
        self._fired[alert.rule][alert.subject] = datetime.fromtimestamp(alert.ts / 1e6, UTC)
        _LOG.log(_LEVELS[alert.severity], "%s: %s", alert.rule, alert.message)
        topic = ALERTS.topic(self._settings)
        await self._publisher.put(topic, alert.rule.encode(), encode(alert))
        linked = LinkedAlert(alert, build_link(alert, rule, self._settings))
        for outbox in self._outboxes:
            if outbox.takes(rule):
                outbox.send(linked)

    def _log_fault(self, name: str, fault: str) -> None:
        """Log a fault once, not at every tick."""
        if fault and self._logged.get(name) != fault:
            _LOG.error("%s cannot be evaluated: %s", name, fault)
        self._logged[name] = fault

    def _hint(self, name: str, notes: tuple[str, ...]) -> None:
        if notes and self._hinted.get(name) != notes:
            _LOG.warning("%s: %s", name, "; ".join(notes))
        self._hinted[name] = notes


def check(
    settings: Settings | None = None,
    fired: Mapping[str, Fired] | None = None,
    history: History | None = None,
) -> list[Evaluation]:
    """Evaluate every rule once without raising alerts; ``fired`` adds to the table of alerts.

    ``history`` has the past windows that were read before.

    Raises `RuleError` if the file cannot be read, `QuestDBError` when QuestDB is unreachable.
    """
    settings = choose_settings(settings)
    found, faults = load_rules(settings)
    last = _read_last(settings, max((one.cool_down_span for one in found.values()), default=_NONE))
    for name, moments in (fired or {}).items():
        for subject, moment in moments.items():
            last[name][subject] = max(moment, last[name].get(subject, moment))
    broken = [Evaluation(name, None, fault=fault) for name, fault in faults.items()]
    history = history or History(settings)
    good = [_evaluate(name, rule, last[name], history) for name, rule in found.items()]
    return good + broken


def _evaluate(name: str, rule: Rule, fired: Fired, history: History) -> Evaluation:
    now = datetime.now(UTC)
    try:
        seen, notes = history.measure(rule)
        near = find_nearest(rule, seen)
        met = sum(one.met for one in seen)
        alerts = [] if rule.muted else decide(name, rule, seen, now, fired)
        return Evaluation(name, rule, near.value if near else None, met, alerts, notes=notes)
    except LiqError as error:
        return Evaluation(name, rule, fault=str(error))
    except Exception as error:  # one rule's odd rows must not silence the others
        return Evaluation(name, rule, fault=repr(error))


def _list_unknown_receivers(rule: Rule, settings: Settings) -> dict[str, str]:
    """Return the receivers that a rule names and the settings lack, each with the fault."""
    known = {receiver.name for receiver in settings.receivers}
    names = () if isinstance(rule.notify, bool) else rule.notify
    return {
        name: f"no address of LIQ_NOTIFY_URLS is named {name!r}{suggest(name, sorted(known))}"
        for name in names
        if name not in known
    }


def _read_last(settings: Settings, span: timedelta) -> dict[str, dict[str | None, datetime]]:
    """Return when each rule last fired within ``span``, for each subject.

    Older alerts end no rule's cool-down. The table keeps alerts for ever, so a scan of all of them
    at each tick would take longer and longer.
    """
    since = datetime.now(UTC) - min(span, _LONGEST)
    kept = f"{ALERTS.table(settings)} WHERE ts >= '{since:%Y-%m-%dT%H:%M:%S.%fZ}'"
    kept += f" AND {ALERTS.valid_condition}"
    sql = f"SELECT rule, subject, max(ts) AS ts FROM {kept} GROUP BY rule, subject"  # noqa: S608 - our own texts
    found: dict[str, dict[str | None, datetime]] = defaultdict(dict)
    rows: Iterator[Any] = questdb.fetch(sql, settings=settings).itertuples(index=False)
    for row in rows:
        found[row.rule][row.subject if isinstance(row.subject, str) else None] = (
            row.ts.to_pydatetime()
        )
    return found


def build_link(alert: Alert, rule: Rule, settings: Settings) -> str:
    """Return the dashboard's address of the alert's moment and of the prints that were measured."""
    subject = alert.subject.split(SUBJECT_SEPARATOR) if alert.subject else []
    by = dict(zip(rule.by, subject, strict=False))
    scope = {links.SCOPES.get(column, column): [value] for column, value in by.items()}
    moment = datetime.fromtimestamp(alert.ts / 1e6, UTC)
    return links.build_url(links.locate_alert(moment, alert.query, rule.params | scope), settings)


async def run(every: float = 5.0, settings: Settings | None = None) -> None:
    """Evaluate every ``every`` seconds until SIGINT or SIGTERM, then deliver queued alerts.

    While Kafka is away, the journal keeps the alerts. Raises `KafkaError` if the broker refuses,
    `ConfigError` for an address in ``LIQ_NOTIFY_URLS`` that cannot be used.
    """
    settings = choose_settings(settings)
    outboxes = [create() for _, _, create in _list_receivers(settings)]
    outages = OutageLog()
    with waiting.catch_signals() as ended:
        async with _publish(settings) as publisher, _run_all(outboxes):
            evaluator = Evaluator(publisher, settings, outboxes)
            while True:
                publisher.raise_refusal()
                outages.note(publisher.stats().awaited)
                await evaluator.tick()
                if await waiting.wait(every, ended):
                    return


@contextlib.asynccontextmanager
async def _publish(settings: Settings) -> AsyncIterator[Publisher]:
    """Yield a publisher that waits for Kafka."""
    publisher = Publisher(settings)
    await publisher.start(wait=True)
    try:
        yield publisher
    finally:
        await publisher.close()


class _Receiver(NamedTuple):
    """A receiver of the settings. ``create`` raises `ConfigError` if it cannot be used."""

    name: str
    address: str  # without what may be a secret
    create: Callable[[], Outbox]


def _list_receivers(settings: Settings) -> list[_Receiver]:
    """Return the receivers of the settings, each with a function that creates its outbox."""
    found: list[_Receiver] = []
    if settings.webhook_url.get_secret_value():
        address = _mask(settings.webhook_url)
        found.append(_Receiver("webhook", address, lambda: Webhook(settings.webhook_url)))
    if settings.receivers:
        from liq.analysis.alerts.notifier import Notifier  # noqa: PLC0415 - Apprise is slow to import

        found += [
            _Receiver(
                each.name, _mask(each.url), partial(Notifier, each, settings.public_dashboard_url)
            )
            for each in settings.receivers
        ]
    return found


def _mask(url: SecretStr) -> str:
    """Return the scheme of an address: any other part may be a token."""
    return f"{url.get_secret_value().partition('://')[0]}://…"


def check_receivers(settings: Settings | None = None) -> Iterator[str]:
    """Yield a line for each receiver that cannot be used, then for each that only a rule names.

    Nothing is sent. Raises `RuleError` if the file of rules cannot be read.
    """
    settings = choose_settings(settings)
    for receiver in _list_receivers(settings):
        try:
            receiver.create()
        except ConfigError as error:
            yield str(error)
    for name, rule in load_rules(settings).rules.items():
        for fault in _list_unknown_receivers(rule, settings).values():
            yield f"{find_rule_place(settings, name, 'notify')}: rule {name!r}: {fault}"


async def send_test(settings: Settings | None = None) -> list[Delivery]:
    """Send one alert, marked as a test, to each receiver once; return what came of each.

    The alert is neither published nor stored, so no dashboard shows it. A receiver that only a
    rule names has a fault. Raises `RuleError` if the file of rules cannot be read.
    """
    settings = choose_settings(settings)
    unknown: dict[str, str] = {}  # read first: an error must not hide what came of the alert
    for rule in load_rules(settings).rules.values():
        unknown |= _list_unknown_receivers(rule, settings)
    linked = LinkedAlert(_build_test_alert(), settings.public_dashboard_url, is_test=True)
    _LOG.info("%s: %s", linked.alert.rule, linked.alert.message)
    receivers = _list_receivers(settings)
    found = await asyncio.gather(*(_send_one(receiver, linked) for receiver in receivers))
    return [*found, *(Delivery(name, "", fault) for name, fault in unknown.items())]


async def _send_one(receiver: _Receiver, linked: LinkedAlert) -> Delivery:
    try:
        fault = await receiver.create().attempt(linked)
    except ConfigError as error:
        fault = str(error)
    return Delivery(receiver.name, receiver.address, fault)


def _build_test_alert() -> Alert:
    return Alert(
        ts=round(datetime.now(UTC).timestamp() * 1_000_000),
        rule="test",
        severity=Severity.INFO,
        query="",
        measure="",
        value=0.0,
        threshold=0.0,
        message=Text("This is a test of liq's alerts. No rule has fired."),
        live=False,
    )


@contextlib.asynccontextmanager
async def _run_all(outboxes: Sequence[Outbox]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(outbox.run()) for outbox in outboxes]
    try:
        yield
        await asyncio.gather(*(outbox.drain(_GRACE_S) for outbox in outboxes))
    finally:
        for task in tasks:
            task.cancel()
