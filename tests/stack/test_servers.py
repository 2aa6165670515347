"""The configuration of the servers, and what Java reads from the files that we wrote."""

import random
import subprocess
from pathlib import Path

import pytest

from liq.config import Settings
from liq.stack.servers import CONNECT, define_servers, escape_property, render_properties
from liq.stack.service import Service
from support.homes import ODD

READER = """
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;

public class Reader {
    public static void main(String[] files) throws Exception {
        Properties found = new Properties();
        try (var stream = Files.newInputStream(Path.of(files[0]))) { found.load(stream); }
        for (String key : new TreeSet<>(found.stringPropertyNames())) {
            byte[] text = found.getProperty(key).getBytes(StandardCharsets.UTF_8);
            System.out.println(key + " " + HexFormat.of().formatHex(text));
        }
    }
}
"""
VALUES = [
    "/home/jürgen/liq", "/home/日本/😀", "C:\\Users\\liq\\new", " leading", "trailing ", "a  b",
    "#no comment", "!none", "a=b:c", "%20", "'\"`", "tab\tline\nreturn\r\f", "\\u0041", "", "\\",
    "${env:HOME}", "$x", *ODD,
]  # fmt: skip


def connect(settings: Settings) -> Service:
    (service,) = (each for each in define_servers(settings) if each.name == CONNECT)
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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("/tmp/liq", "/tmp/liq"),  # noqa: S108 - no file is made
        ("ü", "\\u00fc"),
        ("😀", "\\ud83d\\ude00"),
        ("a\\b", "a\\\\b"),
        ("  a b", "\\  a b"),
        ("#!=:%'\"", "#!=:%'\""),
        ("\n", "\\u000a"),
    ],
)
def test_a_value_is_escaped(value: str, text: str) -> None:
    assert escape_property(value) == text
    assert render_properties({"key": value}) == f"key={text}\n"


def test_java_reads_properties_just_as_written(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    letters = [chr(n) for n in range(1, 0x3100)] + ["😀"]
    values = VALUES + ["".join(chance.choices(letters, k=200)) for _ in range(200)]
    written = {f"key{number:04}": value for number, value in enumerate(values)}
    (tmp_path / "Reader.java").write_text(READER)
    (tmp_path / "written").write_text(render_properties(written), encoding="ascii")
    done = subprocess.run(
        ["java", tmp_path / "Reader.java", tmp_path / "written"],  # noqa: S607 - the stack's own
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = (line.partition(" ") for line in done.stdout.splitlines())
    assert {key: bytes.fromhex(text).decode() for key, _, text in lines} == written
