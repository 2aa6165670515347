"""A queue of alerts for one receiver, delivered with retries, in the background."""

import asyncio
import logging
from abc import ABC, abstractmethod

from liq.analysis.alerts.rules import Rule
from liq.common.waiting import pause_s
from liq.records.model import Alert

_LOG = logging.getLogger(__name__)
_QUEUE = 100
_ATTEMPTS = 6
BACKOFF_S = 1.0  # doubled with each attempt: half a minute in all


class Outbox(ABC):
    """Delivers alerts to one receiver, one after the other; no caller waits for it.

    ``name`` is how the log calls the receiver. Its address may hold a secret: it is never logged.
    """

    def __init__(self, name: str, *, backoff: float = BACKOFF_S) -> None:
        self.name = name
        self._backoff = backoff
        self._queue: asyncio.Queue[Alert] = asyncio.Queue(_QUEUE)

    @abstractmethod
    def takes(self, rule: Rule) -> bool:
        """Return whether the receiver gets the alerts of ``rule``."""

    @abstractmethod
    async def _post(self, alert: Alert) -> tuple[str, bool]:
        """Return the fault, "" if there is none, and whether to retry."""

    def send(self, alert: Alert) -> None:
        """Queue ``alert`` for delivery; if too many are queued, log and drop it."""
        try:
            self._queue.put_nowait(alert)
        except asyncio.QueueFull:
            _LOG.error("%s is too far behind: %s is not sent", self.name, alert.rule)

    async def run(self) -> None:
        """Deliver queued alerts until cancelled."""
        while True:
            alert = await self._queue.get()
            try:
                await self._deliver(alert)
            except Exception:
                _LOG.exception("%s could not be sent to %s", alert.rule, self.name)
            finally:
                self._queue.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait at most ``seconds`` until all alerts are delivered or dropped."""
        try:
            await asyncio.wait_for(self._queue.join(), seconds)
        except TimeoutError:
            _LOG.error("%s did not take the last alerts in time", self.name)

    async def _deliver(self, alert: Alert) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            fault, again = await self._post(alert)
            if not fault:
                return
            if not again:
                break
            _LOG.warning("%s did not take %s: %s; trying again", self.name, alert.rule, fault)
            await asyncio.sleep(pause_s(attempt, self._backoff))
        _LOG.error("%s did not take %s: %s; given up", self.name, alert.rule, fault)


def is_temporary(status: int) -> bool:
    """Return whether a receiver that answers ``status`` may take the alert later."""
    return status >= 500 or status == 429


def build_title(alert: Alert) -> str:
    """Return one line that begins with the mark of data that is not live."""
    mark = "" if alert.live else "[NOT LIVE DATA] "
    return f"{mark}{alert.severity.upper()} {alert.rule}"
