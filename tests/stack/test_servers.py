"""The configuration of the servers."""

from pathlib import Path

from liq.config import Settings
from liq.stack.servers import CONNECT, servers
from liq.stack.service import Service


def connect(settings: Settings) -> Service:
    (service,) = (each for each in servers(settings) if each.name == CONNECT)
    return service


def properties(settings: Settings) -> dict[str, str]:
    (text,) = connect(settings).files.values()
    return dict(line.split("=", 1) for line in text.splitlines())


def test_connect_finds_the_users_plugins_too(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path / "home", cache=tmp_path / "cache")
    ours = properties(settings)
    assert ours["plugin.discovery"] == "service_load"
    assert "-Dorg.apache.kafka.automatic.config.providers=none" in connect(settings).argv
    assert not [name for name in ours if name.startswith("config.providers")]
    users = tmp_path / "cache" / "plugins"
    users.mkdir(parents=True)
    both = properties(settings)
    assert both["plugin.path"] == f"{ours['plugin.path']},{users}"
    assert both["plugin.discovery"] == "hybrid_warn"
    # the official connector, which may be among them, needs the worker to resolve its password
    provider = both["config.providers.env.class"]
    assert both["config.providers.env.param.allowlist.pattern"] == "LIQ_QUESTDB_ADMIN_PASSWORD"
    assert f"-Dorg.apache.kafka.automatic.config.providers={provider}" in connect(settings).argv


def test_connect_gets_its_login_only_where_it_asks_for_one(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path)
    assert "LIQ_CONNECT_PASSWORD" not in connect(settings).env
    locked = settings.model_copy(update={"connect_login": True})
    password = settings.connect_password.get_secret_value()
    assert connect(locked).env["LIQ_CONNECT_PASSWORD"] == password
    assert connect(locked).env["LIQ_CONNECT_LOGIN"].lower() == "true"
