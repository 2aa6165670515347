"""Post alerts as JSON to a URL, with retries, in the background; no caller waits for it."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from liq.common.waiting import pause_s
from liq.records.model import Alert

_LOG = logging.getLogger(__name__)
_QUEUE = 100
_ATTEMPTS = 6
_BACKOFF_S = 1.0  # doubled with each attempt: half a minute in all
_TIMEOUT_S = 5.0


class Webhook:
    """Posts alerts, one after the other. The URL may hold a secret: it is never logged."""

    def __init__(self, url: SecretStr, *, backoff: float = _BACKOFF_S) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # else it logs every URL
        self._url = url
        self._backoff = backoff
        self._queue: asyncio.Queue[Alert] = asyncio.Queue(_QUEUE)

    def send(self, alert: Alert) -> None:
        """Queue ``alert`` to be posted; if too many are queued, log and drop it."""
        try:
            self._queue.put_nowait(alert)
        except asyncio.QueueFull:
            _LOG.error("the webhook is too far behind: %s is not posted", alert.rule)

    async def run(self) -> None:
        """Post queued alerts until cancelled."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            while True:
                alert = await self._queue.get()
                try:
                    await self._deliver(client, alert)
                except Exception:
                    _LOG.exception("%s could not be posted", alert.rule)
                finally:
                    self._queue.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait at most ``seconds`` until all alerts are posted or dropped."""
        try:
            await asyncio.wait_for(self._queue.join(), seconds)
        except TimeoutError:
            _LOG.error("the webhook did not take the last alerts in time")

    async def _deliver(self, client: httpx.AsyncClient, alert: Alert) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            fault, again = await self._post(client, alert)
            if not fault:
                return
            if not again:
                break
            _LOG.warning("the webhook did not take %s: %s; trying again", alert.rule, fault)
            await asyncio.sleep(pause_s(attempt, self._backoff))
        _LOG.error("the webhook did not take %s: %s; given up", alert.rule, fault)

    async def _post(self, client: httpx.AsyncClient, alert: Alert) -> tuple[str, bool]:
        """Return the fault, "" if there is none, and whether to retry."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):  # httpx's own begins again with every byte
                answer = await client.post(self._url.get_secret_value(), json=build_payload(alert))
        except TimeoutError:
            return f"no answer within {_TIMEOUT_S:.0f} s", True
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            # its text may hold the URL; what is no URL, or no number of JSON's, stays so
            return type(error).__name__, isinstance(error, httpx.HTTPError)
        if answer.is_success:
            return "", False
        return f"HTTP {answer.status_code}", answer.status_code >= 500 or answer.status_code == 429


def build_payload(alert: Alert) -> dict[str, Any]:
    """Return the JSON to post: ``text`` for chat services, ``id`` to recognise repeats."""
    moment = datetime.fromtimestamp(alert.ts / 1e6, UTC)
    about = f" {alert.subject}" if alert.subject else ""
    mark = "" if alert.live else "[NOT LIVE DATA] "
    return {
        "id": f"{alert.rule}{about}-{alert.ts}",
        "text": f"{mark}{alert.severity.upper()} {alert.rule}: {alert.message}",
        "ts": moment.isoformat(timespec="microseconds"),
        "rule": alert.rule,
        "severity": alert.severity,
        "query": alert.query,
        "measure": alert.measure,
        "value": alert.value,
        "threshold": alert.threshold,
        "message": alert.message,
        "live": alert.live,
        "subject": alert.subject,
    }
