"""Send alerts to people by Apprise: Telegram, Discord, Slack, mail, ntfy and a hundred others."""

import asyncio
import logging
import re

import apprise

from liq.analysis.alerts.outbox import (
    BACKOFF_S,
    LinkedAlert,
    Outbox,
    build_title,
    is_temporary,
    neutralise_mentions,
)
from liq.analysis.alerts.rules import Rule
from liq.config import Receiver
from liq.errors import ConfigError
from liq.records.model import Severity

_TIMEOUT_S = 30.0  # a login to a mail server and several requests of a chat service
_PACE_S = 1.0  # between messages to a service; Apprise's own 5.5 s would hold back many at once
_STATUS = re.compile(r"\berror=(\d{3})")  # in Apprise's messages about HTTP; ntfy adds two digits
_TYPES = {
    Severity.INFO: apprise.NotifyType.INFO,
    Severity.WARNING: apprise.NotifyType.WARNING,
    Severity.CRITICAL: apprise.NotifyType.FAILURE,
}
# their messages may hold secrets, such as the topic of ntfy or the path of a Slack webhook
for _name in ("apprise", "urllib3"):
    logging.getLogger(_name).propagate = False


class Notifier(Outbox):
    """Sends alerts to one service. Its text links to the dashboard at that moment.

    Raises:
        ConfigError: Apprise knows no such service.
    """

    def __init__(
        self, receiver: Receiver, dashboard_url: str, *, backoff: float = BACKOFF_S
    ) -> None:
        super().__init__(receiver.name, backoff=backoff)
        asset = apprise.AppriseAsset(
            app_id="liq", app_desc="liq", app_url=dashboard_url, async_mode=False
        )
        service = apprise.Apprise.instantiate(receiver.url.get_secret_value(), asset=asset)
        if service is None:
            raise ConfigError(
                f"LIQ_NOTIFY_URLS: Apprise cannot use the address {receiver.name!r};"
                " https://appriseit.com/services lists what it takes"
            )
        service.request_rate_per_sec = min(service.request_rate_per_sec, _PACE_S)
        self._apprise = apprise.Apprise(service, asset=asset)

    def takes(self, rule: Rule) -> bool:
        """Return whether the rule names the service, or all services."""
        return rule.notify if isinstance(rule.notify, bool) else self.name in rule.notify

    async def _post(self, linked: LinkedAlert) -> tuple[str, bool]:
        alert = linked.alert
        result = await asyncio.to_thread(
            self._apprise.notify,
            title=build_title(linked),
            body=f"{neutralise_mentions(alert.message)}\n{linked.link}",
            notify_type=_TYPES[alert.severity],
            body_format=apprise.NotifyFormat.TEXT,
            timeout=_TIMEOUT_S,
        )
        if result:
            return "", False
        if result.status == apprise.AppriseResultStatus.TIMEOUT:
            return f"no answer within {_TIMEOUT_S:.0f} s", True
        found = [match for entry in result.logs() if (match := _STATUS.search(entry.message))]
        if not found:
            return "not delivered", True
        status = int(found[-1][1])
        return f"HTTP {status}", is_temporary(status)
