"""Post alerts as JSON to a URL."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from liq.analysis.alerts.outbox import (
    BACKOFF_S,
    LinkedAlert,
    Outbox,
    build_title,
    is_temporary,
    neutralise_mentions,
)
from liq.analysis.alerts.rules import Rule
from liq.common.http import translate_environment
from liq.errors import ConfigError

_TIMEOUT_S = 5.0
_MAX_PORT = 65_535
_FAULTS: dict[type[Exception], str] = {
    httpx.ConnectError: "no connection",
    **dict.fromkeys((TimeoutError, httpx.TimeoutException), f"no answer within {_TIMEOUT_S:.0f} s"),
    httpx.NetworkError: "the connection broke",
    httpx.ProtocolError: "no valid answer by HTTP",
}


class Webhook(Outbox):
    """Posts alerts to a URL, which may hold a secret.

    Raises:
        ConfigError: The URL cannot be used, or the environment's proxy or certificates.
    """

    def __init__(self, url: SecretStr, *, backoff: float = BACKOFF_S) -> None:
        super().__init__("the webhook", backoff=backoff)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # else it logs every URL
        self._url = url
        if not _is_address(url.get_secret_value()):
            raise ConfigError("LIQ_WEBHOOK_URL: give an address like https://example.org/hook")
        try:
            with translate_environment():
                self._client = httpx.AsyncClient(timeout=_TIMEOUT_S)
        except httpx.ConnectError as error:
            raise ConfigError(f"LIQ_WEBHOOK_URL cannot be reached: {error}") from error

    def takes(self, rule: Rule) -> bool:
        """Return whether the rule wants its alerts posted."""
        return rule.webhook

    async def run(self) -> None:
        """Post queued alerts until cancelled."""
        async with self._client:
            await super().run()

    async def attempt(self, linked: LinkedAlert) -> str:
        """Post ``linked`` once; return the fault, "" if there is none."""
        async with self._client:
            return await super().attempt(linked)

    async def _post(self, linked: LinkedAlert) -> tuple[str, bool]:
        try:
            async with asyncio.timeout(_TIMEOUT_S):  # httpx's own begins again with every byte
                answer = await self._client.post(
                    self._url.get_secret_value(), json=build_payload(linked)
                )
        except (TimeoutError, httpx.HTTPError, ValueError) as error:
            # its text may hold the URL; what is no number of JSON's stays so
            return _describe(error), not isinstance(error, ValueError)
        if answer.is_success:
            return "", False
        return f"HTTP {answer.status_code}", is_temporary(answer.status_code)


def _describe(error: Exception) -> str:
    """Return an error of a request in words, without its text."""
    found = (words for kind, words in _FAULTS.items() if isinstance(error, kind))
    return next(found, type(error).__name__)


def _is_address(url: str) -> bool:
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):  # a ValueError if the text is not UTF-8
        return False
    return bool(address.host) and (address.port is None or 0 < address.port <= _MAX_PORT)


def build_payload(linked: LinkedAlert) -> dict[str, Any]:
    """Return the JSON to post.

    ``text`` is for chat services, ``id`` to recognise repeats, ``link`` the dashboard's address of
    that moment. ``test`` is true for an alert of ``liq alerts test``.
    """
    alert = linked.alert
    moment = datetime.fromtimestamp(alert.ts / 1e6, UTC)
    about = f" {alert.subject}" if alert.subject else ""
    return {
        "id": f"{alert.rule}{about}-{alert.ts}",
        "text": neutralise_mentions(f"{build_title(linked)}: {alert.message}"),
        "ts": moment.isoformat(timespec="microseconds"),
        "rule": alert.rule,
        "severity": alert.severity,
        "query": alert.query,
        "measure": alert.measure,
        "value": alert.value,
        "threshold": alert.threshold,
        "message": alert.message,
        "live": alert.live,
        "test": linked.is_test,
        "subject": alert.subject,
        "link": linked.link,
    }
