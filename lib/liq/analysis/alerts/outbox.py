"""A queue of alerts for one receiver, delivered with retries, in the background."""

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from typing import NamedTuple

from liq.analysis.alerts.rules import Rule
from liq.common.waiting import pause_s
from liq.records.model import Alert

_LOG = logging.getLogger(__name__)
_QUEUE = 100
_ATTEMPTS = 6
_MENTION = re.compile(r"@|<(?=[!#&])")  # @everyone, @here, <@U1>, <@&1>, <!channel>, <#C1>
BACKOFF_S = 1.0  # doubled with each attempt: half a minute in all


class LinkedAlert(NamedTuple):
    """An alert, a link to the dashboard at that moment, and whether it is sent as a test only."""

    alert: Alert
    link: str
    is_test: bool = False


class Outbox(ABC):
    """Delivers alerts to one receiver, one after the other; no caller waits for it.

    ``name`` is how the log calls the receiver. Its address may hold a secret: it is never logged.
    """

    def __init__(self, name: str, *, backoff: float = BACKOFF_S) -> None:
        self.name = name
        self._backoff = backoff
        self._queue: asyncio.Queue[LinkedAlert] = asyncio.Queue(_QUEUE)

    @abstractmethod
    def takes(self, rule: Rule) -> bool:
        """Return whether the receiver gets the alerts of ``rule``."""

    @abstractmethod
    async def _post(self, linked: LinkedAlert) -> tuple[str, bool]:
        """Return the fault, "" if there is none, and whether to retry."""

    async def attempt(self, linked: LinkedAlert) -> str:
        """Send ``linked`` once, without the queue; return the fault, "" if there is none."""
        try:
            fault, _ = await self._post(linked)
        except Exception as error:
            _LOG.exception("%s could not be sent to %s", linked.alert.rule, self.name)
            return type(error).__name__
        return fault

    def send(self, linked: LinkedAlert) -> None:
        """Queue ``linked`` for delivery; if too many are queued, log and drop it."""
        try:
            self._queue.put_nowait(linked)
        except asyncio.QueueFull:
            _LOG.error("%s is too far behind: %s is not sent", self.name, linked.alert.rule)

    async def run(self) -> None:
        """Deliver queued alerts until cancelled."""
        while True:
            linked = await self._queue.get()
            try:
                await self._deliver(linked)
            except Exception:
                _LOG.exception("%s could not be sent to %s", linked.alert.rule, self.name)
            finally:
                self._queue.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait at most ``seconds`` until all alerts are delivered or dropped."""
        try:
            await asyncio.wait_for(self._queue.join(), seconds)
        except TimeoutError:
            _LOG.error("%s did not take the last alerts in time", self.name)

    async def _deliver(self, linked: LinkedAlert) -> None:
        rule = linked.alert.rule
        for attempt in range(1, _ATTEMPTS + 1):
            fault, again = await self._post(linked)
            if not fault:
                return
            if not again or attempt == _ATTEMPTS:
                break
            _LOG.warning("%s did not take %s: %s; trying again", self.name, rule, fault)
            await asyncio.sleep(pause_s(attempt, self._backoff))
        _LOG.error("%s did not take %s: %s; given up", self.name, rule, fault)


def is_temporary(status: int) -> bool:
    """Return whether a receiver that answers ``status`` may take the alert later."""
    return status >= 500 or status == 429


def neutralise_mentions(text: str) -> str:
    """Return ``text`` with a character without width in what chat services take for a mention.

    Rows have names of anybody's choice; ``@everyone`` in one would reach all members of a channel.
    """
    return _MENTION.sub("\\g<0>\u200b", text)


def build_title(linked: LinkedAlert) -> str:
    """Return one line that begins with the mark of a test, or of simulated or replayed data."""
    alert, is_test = linked.alert, linked.is_test
    mark = "[TEST] " if is_test else "" if alert.live else "[SIMULATED OR REPLAYED DATA] "
    return f"{mark}{alert.severity.upper()} {alert.rule}"
