"""Alerts for people, by Apprise: to a server that speaks ntfy's API, and to a mail server."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr
from typer.testing import CliRunner

from analysis.alerts.receiver import Receiver, receiving
from liq import config
from liq.analysis.alerts.notifier import Notifier
from liq.analysis.alerts.outbox import LinkedAlert
from liq.analysis.alerts.rules import Rule
from liq.cli import app, output
from liq.config import Receiver as Address
from liq.config import Settings
from liq.errors import ConfigError
from liq.records.model import Alert, Severity, Text
from support.helpers import PATIENCE_S, eventually, find_free_ports

SECRET = "a-secret-topic"
DASHBOARD = "http://127.0.0.1:8866"
LINK = f"{DASHBOARD}/?from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z&asset=BTC"
ALERT = Alert(
    ts=1_767_225_600_000_001, rule="big", severity=Severity.WARNING, query="totals",
    measure="long_usd", value=2.5, threshold=1.0, message=Text("two & a <half>"), live=True,
)  # fmt: skip


@pytest.fixture
def port() -> int:
    return find_free_ports()["api_port"]


class Mailbox:
    """A handler of aiosmtpd that keeps mails; it refuses the first ``busy`` of them for now."""

    def __init__(self, busy: int = 0) -> None:
        self.busy = busy
        self.mails: list[Message] = []
        self.logins: list[bytes] = []

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.busy:
            self.busy -= 1
            return "451 try again later"
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"

    def authenticate(self, *given: Any) -> AuthResult:
        login = given[-1]
        assert isinstance(login, LoginPassword)
        self.logins.append(login.password)
        return AuthResult(success=True)


@contextmanager
def mail_server(port: int, mailbox: Mailbox) -> Iterator[None]:
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=port,
        auth_require_tls=False,
        authenticator=mailbox.authenticate,
    )
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@asynccontextmanager
async def sending(url: str, *alerts: Alert) -> AsyncIterator[Notifier]:
    made = Notifier(Address("phone", SecretStr(url)), DASHBOARD, backoff=0.05)
    task = asyncio.create_task(made.run())
    for alert in alerts:
        made.send(LinkedAlert(alert, LINK))
    yield made
    task.cancel()


def ntfy(port: int) -> str:
    return f"ntfy://127.0.0.1:{port}/{SECRET}"


async def received(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    await asyncio.to_thread(eventually, lambda: len(receiver.posted) >= count)
    return receiver.posted


async def test_ntfy_gets_title_text_and_link(port: int) -> None:
    with receiving(port, success=200) as receiver:
        async with sending(ntfy(port), ALERT, msgspec.structs.replace(ALERT, live=False)):
            first, second = await received(receiver, 2)
    assert first["topic"] == SECRET
    assert first["title"] == "WARNING big"
    assert first["message"] == f"two & a <half>\n{LINK}"
    assert second["title"] == "[SIMULATED OR REPLAYED DATA] WARNING big"


async def test_a_service_gets_no_mention_of_a_whole_channel(port: int) -> None:
    evil = msgspec.structs.replace(ALERT, message=Text("@everyone <!channel>"))
    with receiving(port, success=200) as receiver:
        async with sending(ntfy(port), evil):
            [only] = await received(receiver, 1)
    assert only["message"].startswith("@\u200beveryone <\u200b!channel>\n")


async def test_a_service_that_comes_back_gets_the_alerts_it_missed(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with sending(ntfy(port), ALERT):
        await asyncio.to_thread(eventually, lambda: "not delivered; trying again" in caplog.text)
        with receiving(port, success=200) as receiver:
            receiver.answers = [503, 429]
            assert len(await received(receiver, 1)) == 1
    assert "phone did not take big: HTTP 503; trying again" in caplog.text
    # pytest reads the loggers that pass nothing on, too
    assert SECRET not in "".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("apprise")
    )
    assert not logging.getLogger("apprise").propagate


async def test_a_service_with_odd_headers_brings_no_secret_into_the_log(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    listener = await asyncio.start_server(_answer_oddly, "127.0.0.1", port)
    async with listener, sending(f"json://127.0.0.1:{port}/{SECRET}", ALERT) as notifier:
        await asyncio.wait_for(notifier.drain(PATIENCE_S), PATIENCE_S)
    assert "parse headers" in "".join(map(logging.LogRecord.getMessage, caplog.records))
    assert not logging.getLogger("urllib3").propagate


async def _answer_oddly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n")
    writer.close()


async def test_an_alert_that_a_service_refuses_is_not_retried(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving(port, success=200) as receiver:
        receiver.answers = [403]
        async with sending(ntfy(port), ALERT, msgspec.structs.replace(ALERT, rule="next")):
            [only] = await received(receiver, 1)
    assert only["title"] == "WARNING next"
    assert "phone did not take big: HTTP 403; given up" in caplog.text


async def test_mail_arrives_after_a_login_and_a_retry(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox = Mailbox(busy=1)
    url = f"mailto://liq:{SECRET}@127.0.0.1:{port}?from=liq@liq.example&to=desk@liq.example"
    with mail_server(port, mailbox):
        async with sending(url, ALERT):
            await asyncio.to_thread(eventually, lambda: mailbox.mails)
    [mail] = mailbox.mails
    assert mail["Subject"] == "WARNING big"
    assert "desk@liq.example" in mail["To"]
    texts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    assert any(LINK.encode() in text for text in texts if isinstance(text, bytes))
    assert mailbox.logins == [SECRET.encode()] * 2
    assert SECRET not in caplog.text


def test_a_list_of_services_has_names_commas_and_no_secret_in_errors(tmp_path: Path) -> None:
    urls = (
        f"ntfy://host/{SECRET},mail=mailto://a:b@c.example?to=x@y.example,z@y.example\n tgram://1/2"
    )
    settings = Settings.load(home=tmp_path, notify_urls=urls)
    assert [each.name for each in settings.receivers] == ["ntfy", "mail", "tgram"]
    named = Settings.load(home=tmp_path, notify_urls="a=ntfy://h/x,on-call.2=ntfys://h/y")
    assert [each.name for each in named.receivers] == ["a", "on-call.2"]
    assert settings.receivers[1].url.get_secret_value().endswith("x@y.example,z@y.example")
    assert SECRET not in repr(settings) + repr(settings.receivers)
    with pytest.raises(ConfigError, match=r"LIQ_NOTIFY_URLS: address 1 is none") as caught:
        Settings.load(home=tmp_path, notify_urls=SECRET)
    assert SECRET not in str(caught.value)
    with pytest.raises(ConfigError, match=r"cannot use the address 'x'") as unknown:
        Notifier(Address("x", SecretStr(f"nothing://{SECRET}")), DASHBOARD)
    assert SECRET not in str(unknown.value)


@pytest.mark.parametrize(
    ("urls", "names"),
    [
        ("json://h/?a=1,2,x=y", ["json"]),
        ("json://h/?a=1,b&c=https://z/hidden", ["json"]),
        ("json://h/?a=1, b=https://z/hidden", ["json", "b"]),
        ("json://h/?a=1,https://z/hidden", ["json", "https"]),
        ("json://h/?a=1 b.c-d_2=https://z/hidden", ["json", "b.c-d_2"]),
        ("json://h/?a=1,b%2Cx-y=https://z/hidden", ["json"]),
        ("a=json://h/hidden,büro=json://z", ["a", "büro"]),
    ],
)
def test_a_comma_in_a_query_adds_no_receiver(tmp_path: Path, urls: str, names: list[str]) -> None:
    settings = Settings.load(home=tmp_path, notify_urls=urls)
    assert [each.name for each in settings.receivers] == names


@pytest.mark.parametrize(
    ("urls", "reason"),
    [
        ("json://h/?a=hidden,x-y=https://z/b", "after a '\\?' is followed by NAME=URL; write %2C"),
        ("json://hidden,on@call=json://z", "the name of address 2 may have letters, digits"),
        ('json://hidden, "x"=json://z', "the name of address 2 may have letters, digits"),
        ("a<b=json://hidden", "the name of address 1 may have letters, digits"),
        ("a?b&c=json://hidden", "the name of address 1 may have letters, digits"),
    ],
)
def test_a_list_of_receivers_that_may_mean_another_is_refused(
    tmp_path: Path, urls: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=f"LIQ_NOTIFY_URLS: .*{reason}") as caught:
        Settings.load(home=tmp_path, notify_urls=urls)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_test_alert_goes_to_every_receiver_and_says_which_did_not_take_it(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = {
        "description": "x", "query": "totals", "column": "prints", "is": ">", "threshold": 0,
        "message": "x", "notify": ["phone", "deks"],
    }  # fmt: skip
    file, hook = tmp_path / "alerts.json", f"http://127.0.0.1:{port}/{SECRET}"
    file.write_text(json.dumps({"burst": rule}, indent=1))
    urls = f"phone={ntfy(port)}, desk=nothing://{SECRET}"
    settings = Settings.load(home=tmp_path, alerts=file, notify_urls=urls, webhook_url=hook)
    set_variables(settings, monkeypatch)
    with receiving(port, success=200) as receiver:
        result = CliRunner().invoke(app, ["alerts", "test"])
    first, second = sorted(receiver.posted, key=lambda posted: "test" in posted)
    assert (first["title"], second["test"]) == ("[TEST] INFO test", True)
    assert second["text"].startswith("[TEST] INFO test: This is a test of liq's alerts.")
    assert str(result.exception) == "2 of 4 receivers did not get the test alert"
    shown = result.output
    assert re.search(r"log .*sent.*\n.*webhook .* http://… .*sent.*\n.*phone .* ntfy://… ", shown)
    assert re.search(r"desk .* nothing://… .*Apprise cannot use the address 'desk'", shown)
    assert re.search(r"deks .*no address of LIQ_NOTIFY_URLS is named 'deks', did you", shown)
    assert SECRET not in shown
    checked = CliRunner().invoke(app, ["alerts", "check"]).output.splitlines()
    assert checked[0].startswith("LIQ_NOTIFY_URLS: Apprise cannot use the address 'desk'; https")
    assert checked[1].startswith(f"{file}:9:3: rule 'burst': no address of LIQ_NOTIFY_URLS is")
    assert SECRET not in "".join(checked)
    assert len(receiver.posted) == 2
    file.write_text("{")
    checked = CliRunner().invoke(app, ["alerts", "check"]).output.splitlines()
    assert checked[0].startswith("LIQ_NOTIFY_URLS: Apprise cannot use the address 'desk'; https")
    assert "cannot read" in str(CliRunner().invoke(app, ["alerts", "test"]).exception)
    assert len(receiver.posted) == 2  # nothing is sent whose result would be lost
    blank = SecretStr("")
    none = settings.model_copy(update={"notify_urls": blank, "webhook_url": blank})
    file.write_text("{}")
    set_variables(none, monkeypatch)
    result = CliRunner().invoke(app, ["alerts", "test"])
    assert result.exit_code == 0
    assert "only the log gets alerts; set LIQ_NOTIFY_URLS or LIQ_WEBHOOK_URL" in result.output


def set_variables(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(output.console, "_width", 300)
    config.settings.cache_clear()


@pytest.mark.parametrize(
    ("notify", "takes"), [(True, True), (False, False), (["phone"], True), (["mail"], False)]
)
def test_a_rule_chooses_its_services(notify: object, takes: bool) -> None:  # noqa: FBT001 - a table
    entry = {
        "description": "x", "query": "totals", "column": "prints", "is": ">", "threshold": 0,
        "message": "x", "notify": notify,
    }  # fmt: skip
    rule = msgspec.json.decode(json.dumps(entry), type=Rule)
    assert Notifier(Address("phone", SecretStr("ntfy://a/b")), DASHBOARD).takes(rule) is takes
