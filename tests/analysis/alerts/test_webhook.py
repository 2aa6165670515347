"""Webhooks to a real receiver: down, up again, refusing."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from analysis.alerts.receiver import Receiver, receiving
from liq.analysis.alerts import outbox, webhook
from liq.analysis.alerts.outbox import LinkedAlert
from liq.analysis.alerts.webhook import Webhook
from liq.errors import ConfigError
from liq.records.model import Alert, Severity, Text
from support.helpers import eventually, find_free_ports

SECRET = "path-of-a-secret"
ALERT = Alert(
    ts=1_767_225_600_000_001, rule="big", severity=Severity.WARNING, query="totals",
    measure="long_usd", value=2.5, threshold=1.0, message=Text("two and a half"), live=True,
)  # fmt: skip
LINK = "https://liq.example.org/?from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z"
LINKED = LinkedAlert(ALERT, LINK)


@pytest.fixture
def port() -> int:
    return find_free_ports()["api_port"]


@asynccontextmanager
async def posting(port: int) -> AsyncIterator[Webhook]:
    made = Webhook(SecretStr(f"http://127.0.0.1:{port}/{SECRET}"), backoff=0.05)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()


async def posted(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    await asyncio.to_thread(eventually, lambda: len(receiver.posted) >= count)
    return receiver.posted


async def test_a_posted_alert_has_all_its_fields(port: int) -> None:
    with receiving(port) as receiver:
        async with posting(port) as made:
            made.send(LINKED)
            made.send(
                LinkedAlert(msgspec.structs.replace(ALERT, live=False, subject="okx, live"), LINK)
            )
            first, second = await posted(receiver, 2)
    assert first == {
        "id": "big-1767225600000001", "path": f"/{SECRET}",
        "ts": "2026-01-01T00:00:00.000001+00:00",
        "text": "WARNING big: two and a half", "rule": "big", "severity": "warning",
        "query": "totals", "measure": "long_usd", "value": 2.5, "threshold": 1.0,
        "message": "two and a half", "live": True, "test": False, "subject": None,
        "link": LINK,
    }  # fmt: skip
    assert second["text"].startswith("[SIMULATED OR REPLAYED DATA] WARNING")
    assert second["id"] == "big okx, live-1767225600000001"


async def test_an_unforeseen_error_ends_no_posting(
    port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = webhook.build_payload
    monkeypatch.setattr(
        webhook,
        "build_payload",
        lambda linked: real(linked) if linked.alert.live else dict[str, Any]()["nothing"],
    )
    with receiving(port) as receiver:
        async with posting(port) as made:
            made.send(LinkedAlert(msgspec.structs.replace(ALERT, live=False), LINK))
            made.send(LINKED)
            await posted(receiver, 1)
    assert "big could not be sent to the webhook" in caplog.text
    assert "KeyError: 'nothing'" in caplog.text


async def test_a_receiver_that_comes_back_gets_the_alerts_it_missed(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "liq")
    async with posting(port) as made:
        made.send(LINKED)
        await asyncio.to_thread(eventually, lambda: "no connection; trying again" in caplog.text)
        with receiving(port) as receiver:
            receiver.answers = [503, 429]
            assert len(await posted(receiver, 1)) == 1
    assert "HTTP 503; trying again" in caplog.text
    assert SECRET not in caplog.text


async def test_a_dead_receiver_is_given_up_and_does_not_hold_back(
    port: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_ATTEMPTS", 2)
    async with posting(port) as made:
        for _ in range(150):  # more than wait in line
            made.send(LINKED)
        assert "too far behind: big is not sent" in caplog.text
        await made.drain(0.01)
        assert "did not take the last alerts in time" in caplog.text
        await asyncio.to_thread(eventually, lambda: "no connection; given up" in caplog.text)
    ended, repeated = (caplog.text.count(end) for end in ("given up", "trying again"))
    assert repeated <= ended + 1  # the last attempt is not repeated
    assert SECRET not in caplog.text


async def test_an_alert_that_cannot_be_sent_delays_no_other(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving(port) as receiver:
        async with posting(port) as made:
            made.send(LinkedAlert(msgspec.structs.replace(ALERT, value=math.inf), LINK))
            made.send(LinkedAlert(msgspec.structs.replace(ALERT, rule="next"), LINK))
            [only] = await posted(receiver, 1)
    assert only["rule"] == "next"
    assert "did not take big: ValueError; given up" in caplog.text


@pytest.mark.parametrize(
    "address",
    [
        f"http://127.0.0.1:{SECRET}",
        f"http:///{SECRET}",
        f"http://127.0.0.1:99999/{SECRET}",
        f"http://127.0.0.1:0/{SECRET}",
        f"http://127.0.0.1/{SECRET}\udcff",  # of bytes that are not UTF-8
    ],
)
def test_a_webhook_address_that_is_none_is_refused_without_its_secret(address: str) -> None:
    with pytest.raises(ConfigError, match="LIQ_WEBHOOK_URL: give an address like") as refused:
        Webhook(SecretStr(address))
    assert SECRET not in str(refused.value)


async def test_an_alert_that_a_receiver_refuses_is_not_retried(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving(port) as receiver:
        receiver.answers = [400]
        async with posting(port) as made:
            made.send(LINKED)
            made.send(LinkedAlert(msgspec.structs.replace(ALERT, rule="next"), LINK))
            [only] = await posted(receiver, 1)
    assert only["rule"] == "next"
    assert "did not take big: HTTP 400; given up" in caplog.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@everyone sell", "@\u200beveryone sell"),
        (
            "@here <!channel> <@U1> <@&2> <#C1>",
            "@\u200bhere <\u200b!channel> <@\u200bU1> <@\u200b&2> <\u200b#C1>",
        ),
        ("a < b & c > d", "a < b & c > d"),
    ],
)
def test_no_text_of_a_row_mentions_a_whole_channel(text: str, shown: str) -> None:
    message = LINKED._replace(alert=msgspec.structs.replace(ALERT, message=Text(text)))
    payload = webhook.build_payload(message)
    assert payload["text"] == f"WARNING big: {shown}"
    assert payload["message"] == text  # as it is stored


@pytest.mark.parametrize(
    "proxy", ["socks4://127.0.0.1:1", "nothing://x", f"http://user:{SECRET}@[::1"]
)
def test_a_proxy_that_cannot_be_used_is_one_error(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(
        ConfigError, match="LIQ_WEBHOOK_URL cannot be reached: cannot use HTTP_P"
    ) as refused:
        Webhook(SecretStr("http://example.org/hook"))
    assert SECRET not in str(refused.value)
