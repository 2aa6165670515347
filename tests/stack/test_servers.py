"""What the servers are told."""

from pathlib import Path

from liq.config import Settings
from liq.stack.servers import CONNECT, servers


def plugins(settings: Settings) -> dict[str, str]:
    (connect,) = (each for each in servers(settings) if each.name == CONNECT)
    (text,) = connect.files.values()
    lines = dict(line.split("=", 1) for line in text.splitlines())
    return {name: lines[name] for name in ("plugin.path", "plugin.discovery")}


def test_connect_finds_the_users_plugins_too(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path / "home", cache=tmp_path / "cache")
    ours = plugins(settings)
    assert ours["plugin.discovery"] == "service_load"
    users = tmp_path / "cache" / "plugins"
    users.mkdir(parents=True)
    both = plugins(settings)
    assert both["plugin.path"] == f"{ours['plugin.path']},{users}"
    assert both["plugin.discovery"] == "hybrid_warn"
