import json
import stat
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from liq import config
from liq.config import Settings
from liq.errors import ConfigError, LiqWarning
from liq.records.streams import FEED_HEALTH, STREAMS
from support.disk import small_disk


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIQ_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_unknown_variable_is_an_error_that_lists_the_valid_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIQ_KAFKA_PROT", "9092")
    with pytest.raises(ConfigError, match=r"LIQ_KAFKA_PROT.*LIQ_KAFKA_PORT"):
        Settings.load()


def test_value_out_of_range_names_the_variable_and_hides_the_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIQ_LIQUIDATIONS__TABLE", "x; drop table liquidations")
    with pytest.raises(ConfigError, match="LIQ_LIQUIDATIONS__TABLE") as caught:
        Settings.load()
    assert "drop table" not in str(caught.value)


def test_a_misspelt_choice_gets_a_suggestion_and_hides_the_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIQ_KAFKA_SECURITY", "SASL_SL")
    with pytest.raises(ConfigError) as caught:
        Settings.load()
    assert str(caught.value) == (
        "bad setting: LIQ_KAFKA_SECURITY: not a choice, did you mean 'SASL_SSL'?"
        " valid are: PLAINTEXT, SSL, SASL_SSL"
    )


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("LIQ_API_PORT", "x", "give a whole number"),
        ("LIQ_API_PORT", "70000", "give 65535 or less"),
        ("LIQ_API_PORT", "0", "give 1 or more"),
        ("LIQ_QUERY_TIMEOUT", "soon", "give a number"),
    ],
)
def test_a_bad_setting_is_explained_in_plain_words(
    name: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        Settings.load()
    assert str(caught.value) == f"bad setting: {name}: {reason}"


@pytest.mark.parametrize("name", ["liq_kafka_port", "Liq_Kafka_Port", "liq_streams"])
def test_a_variable_in_another_case_is_unknown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "9092")
    with pytest.raises(ConfigError, match=f"unknown setting {name}"):
        Settings.load()


@pytest.mark.parametrize(
    "secrets",
    [
        {"token": "hidden", "lab_token": "hidden"},
        {"webhook_url": "hooks.test/hidden"},
        {"notify_urls": "hooks.test/hidden"},
        {"kafka_password": ["hidden"]},
        {"tokn": "hidden"},
    ],
)
def test_the_traceback_of_a_bad_setting_has_no_secret(secrets: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="bad setting: LIQ_") as caught:
        Settings.load(**secrets)
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize(
    "name", ["HOME", "CACHE", "HOST", "KAFKA_HOST", "CONNECT_HOST", "QUESTDB_HOST"]
)
def test_a_blank_folder_or_host_is_refused(
    name: str, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LIQ_{name}", blank)
    with pytest.raises(ConfigError, match=f"LIQ_{name}: it is blank; give a value, or unset it"):
        Settings.load()


@pytest.mark.parametrize("host", ["::1", "[::1]", "::", "fe80::1", "127.0.0.1:80", "http://a"])
def test_a_host_to_listen_on_by_ipv6_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match=r"LIQ_HOST: \S+ is no IPv4 address; give one, such as"):
        Settings.load(host=host)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("/", "/"),
        ("/liq", "/liq"),
        ("/liq/", "/liq"),
        ("/user/LIQ%5Cjane", "/user/LIQ%5Cjane"),
        ("/user/j%C3%B6rg", "/user/j%C3%B6rg"),
        ("/user/jane%40liq.example/a_b~c", "/user/jane%40liq.example/a_b~c"),
    ],
)
def test_a_base_url_is_a_path_without_a_slash_at_its_end(given: str, kept: str) -> None:
    assert Settings.load(base_url=given).base_url == kept


@pytest.mark.parametrize(
    "given",
    [
        *("liq", "//liq", "/a//b", "/liq/..", "/../liq", "/./liq", "/liq?a=b", "/liq#a", "/a b"),
        *("https://liq.example/liq", "/liq;a", "/l\\iq", "/lïq", "/liq%2", "/(liq)", "/liq\n", " "),
        # browsers and servers decode these
        *("/%2e%2e", "/liq/.%2E", "/%2fliq.example", "/l%0d%0aiq", "/%00", "/%ff"),
    ],
)
def test_a_base_url_that_is_no_path_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match=r"LIQ_BASE_URL: give the path only, such as /liq"):
        Settings.load(base_url=given)


def test_apps_have_ports_of_their_own_or_share_a_base_url() -> None:
    apart = Settings.load()
    assert apart.find_path("lab") == "/"
    assert apart.api_url == f"http://127.0.0.1:{apart.api_port}"
    behind, at_root = Settings.load(base_url="/a/liq"), Settings.load(base_url="/")
    assert behind.find_path("dashboard") == "/a/liq/"
    assert behind.find_path("lab") == "/a/liq/jupyter/"
    assert behind.api_url == f"http://127.0.0.1:{apart.api_port}/a/liq/api"
    assert behind.streamlit_url.endswith(":8501/a/liq/streamlit")
    assert at_root.find_path("dashboard") == "/"
    assert at_root.api_url.endswith(":8000/api")


@pytest.mark.parametrize("name", ["queries", "alerts", "kafka_ca", "questdb_ca", "sink_tasks"])
def test_a_blank_setting_without_a_default_is_none(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LIQ_{name.upper()}", "")
    assert getattr(Settings.load(), name) is None


def test_secrets_are_generated_once_and_readable_by_their_owner_only(home: Path) -> None:
    first, second = Settings.load(), Settings.load()
    assert first == second
    assert len(first.token.get_secret_value()) >= 32
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600
    stored = json.loads((home / "secrets.json").read_text())
    assert len(set(stored.values())) == len(stored)


def test_environment_wins_over_the_stored_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Settings.load()
    monkeypatch.setenv("LIQ_TOKEN", "chosen")
    assert Settings.load().token == SecretStr("chosen")
    assert Settings.load().questdb_admin_password == stored.questdb_admin_password


def test_jupyterlabs_token_is_known_only_to_code_that_asks_for_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.load()
    assert not settings.lab_token.get_secret_value()
    known = settings.with_lab_token()
    stored = json.loads((home / "secrets.json").read_text())
    assert known.lab_token.get_secret_value() == stored["lab_token"]
    assert known.lab_token != known.token
    assert known.environ()["LIQ_LAB_TOKEN"] == ""
    assert known.variables()["LIQ_LAB_TOKEN"] == stored["lab_token"]
    monkeypatch.setenv("LIQ_LAB_TOKEN", "chosen")
    assert Settings.load().with_lab_token().lab_token == SecretStr("chosen")


def test_a_home_of_an_older_version_gets_jupyterlabs_token(home: Path) -> None:
    home.mkdir()
    old = {
        "questdb_admin_password": "a",
        "questdb_reader_password": "b",
        "kafka_password": "c",
        "token": "d",
    }
    (home / "secrets.json").write_text(json.dumps(old))
    settings = Settings.load().with_lab_token()
    assert settings.token == SecretStr("d")
    assert len(settings.lab_token.get_secret_value()) >= 32


def test_one_token_for_both_servers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIQ_TOKEN", "same")
    monkeypatch.setenv("LIQ_LAB_TOKEN", "same")
    with pytest.raises(ConfigError, match="LIQ_LAB_TOKEN must differ from LIQ_TOKEN"):
        Settings.load()


def test_unreadable_secrets_file_names_the_fix(home: Path) -> None:
    home.mkdir()
    (home / "secrets.json").write_text("{")
    with pytest.raises(ConfigError, match="delete it"):
        Settings.load()


def test_a_full_disk_is_one_clear_error_and_costs_no_secret(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    file = home / "secrets.json"
    for kept in ("", '{"token": "mine"}'):
        file.write_text(kept)
        with small_disk("limit", tmp_path / f"disk{len(kept)}") as disk:
            disk.fill()
            with pytest.raises(ConfigError, match=r"secrets\.json.*free some"):
                Settings.load()
            disk.free()
        assert (
            Settings.load().token.get_secret_value()
            == json.loads(kept or file.read_text())["token"]
        )


WITHOUT_HOME = """
import platformdirs

def find(_):
    raise RuntimeError("no home")

platformdirs.user_data_path = platformdirs.user_cache_path = find
from liq.config import Settings
from liq.errors import ConfigError
try:
    Settings.load()
except ConfigError as error:
    print(error)
print(Settings.load(home="/a", cache="/b").cache)
"""


def test_a_user_without_a_home_can_name_the_folders(tmp_path: Path) -> None:
    code = WITHOUT_HOME.replace('"/a"', repr(str(tmp_path)))
    done = subprocess.run(
        [sys.executable, "-c", code], env={}, capture_output=True, text=True, check=True
    )
    error, cache = done.stdout.splitlines()
    assert "LIQ_HOME: it is blank" in error
    assert "LIQ_CACHE: it is blank" in error
    assert cache == "/b"


def test_repr_shows_no_login_of_the_mirror() -> None:
    assert "hidden" not in repr(Settings.load(maven_mirror="https://user:hidden@liq.example"))


def test_repr_shows_no_secret() -> None:
    settings = Settings.load()
    for name in ("token", "questdb_admin_password", "questdb_reader_password"):
        assert getattr(settings, name).get_secret_value() not in repr(settings)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().kafka_port = 1  # type: ignore[misc]


def test_environ_makes_a_child_see_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.load(kafka_port=19092, streams={"health": {"topic": "mine"}})
    for name, value in settings.environ().items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == settings


def test_each_stream_has_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, stream in enumerate(STREAMS):
        for name in ("topic", "table", "connector"):
            monkeypatch.setenv(config.name_variable(stream.name, name), f"{stream.name}_{name}")
        monkeypatch.setenv(config.name_variable(stream.name, "ttl_days"), str(number))
    settings = Settings.load()
    for number, stream in enumerate(STREAMS):
        assert stream.topic(settings) == f"{stream.name}_topic"
        assert stream.table(settings) == f"{stream.name}_table"
        assert stream.connector(settings) == f"{stream.name}_connector"
        assert stream.ttl_days(settings) == number


def test_a_misspelt_stream_is_an_error_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIQ_HELTH__TOPIC", "mine")
    with pytest.raises(ConfigError, match=r"LIQ_HELTH__TOPIC \(did you mean LIQ_HEALTH__TOPIC\?\)"):
        Settings.load()
    monkeypatch.delenv("LIQ_HELTH__TOPIC")
    monkeypatch.setenv("LIQ_WINDW", "1h")  # which is like none but for the prefix
    with pytest.raises(ConfigError, match="unknown setting LIQ_WINDW; valid are"):
        Settings.load()
    monkeypatch.delenv("LIQ_WINDW")
    monkeypatch.setenv("liq_token", "x")
    with pytest.raises(ConfigError, match=r"liq_token \(did you mean LIQ_TOKEN\?\)"):
        Settings.load()
    monkeypatch.delenv("liq_token")
    with pytest.raises(ConfigError, match="no stream 'helth', did you mean 'health'"):
        Settings.load(streams={"helth": {}})


def test_a_misspelt_setting_in_python_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="KAFKA_PRT: there is no such setting, did you mean kaf"):
        Settings.load(home=tmp_path, kafka_prt=1)


def test_a_copy_has_no_setting_that_is_unknown() -> None:
    with pytest.raises(ConfigError, match="unknown setting topic; with_streams changes"):
        Settings().model_copy(update={"topic": "mine"})


def test_equal_settings_have_equal_hashes() -> None:
    settings = Settings()
    same = settings.model_copy(update={})
    other = settings.with_streams(health={"topic": "mine"})
    assert len({settings, same, other}) == 2


def test_with_streams_changes_only_what_is_given_and_checks_it() -> None:
    settings = Settings()
    mine = settings.with_streams(health={"topic": "mine"})
    assert FEED_HEALTH.topic(mine) == "mine"
    assert mine.with_streams(health={"topic": FEED_HEALTH.defaults.topic}) == settings
    with pytest.raises(ConfigError, match="no stream 'helth'"):
        settings.with_streams(helth={"topic": "mine"})
    for wrong in ({"topik": "mine"}, {"table": "x; drop"}, {"ttl_days": -1}):
        with pytest.raises(ConfigError, match=next(iter(wrong)).upper()):
            settings.with_streams(health=wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("topic", "feed_health"),
        ("topic", "alt_liquidations_dlq"),  # its dead letters would be dead letters for ever
        ("table", "feed_health"),
        ("table", "FEED_HEALTH"),
        ("connector", "feed-health"),
    ],
)
def test_streams_share_no_topic_table_or_sink(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"LIQ_PRICE__{name.upper()}"
    with pytest.raises(ConfigError, match=variable):
        Settings().with_streams(price={name: value})
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=rf"LIQ_\w+ and {variable} are both '{value}'"):
        Settings.load()


OLD_NAMES = {
    f"LIQ_{old}{name}": f"LIQ_{new}__{name}"
    for old, new in {
        "": "LIQUIDATIONS",
        "HEALTH_": "HEALTH",
        "PRICE_": "PRICE",
        "ALERTS_": "ALERTS",
        "CASCADES_": "CASCADES",
        "SUMS_": "SUMS",
    }.items()
    for name in ("TOPIC", "TABLE", "CONNECTOR", "TTL_DAYS")
}


def test_old_names_are_accepted_with_one_warning_that_has_the_new_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, old in enumerate(OLD_NAMES):
        monkeypatch.setenv(old, str(number) if old.endswith("DAYS") else f"own_{number}")
    with pytest.warns(LiqWarning) as caught:
        settings = Settings.load()
    [warning] = caught
    assert all(f"{new} for {old}" in str(warning.message) for old, new in OLD_NAMES.items())
    variables = settings.variables()
    for number, (old, new) in enumerate(OLD_NAMES.items()):
        assert variables[new] == (str(number) if old.endswith("DAYS") else f"own_{number}")
        assert old not in variables


def test_a_child_gets_no_warning_and_no_contradiction_from_old_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIQ_TOPIC", "old")
    with pytest.warns(LiqWarning, match="LIQ_LIQUIDATIONS__TOPIC for LIQ_TOPIC"):
        settings = Settings.load().with_streams(liquidations={"topic": "changed"})
    for name, value in settings.environ().items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == settings


def test_an_old_name_that_contradicts_the_new_one_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIQ_HEALTH_TOPIC", "one")
    monkeypatch.setenv("LIQ_HEALTH__TOPIC", "other")
    with pytest.raises(ConfigError, match="LIQ_HEALTH_TOPIC and LIQ_HEALTH__TOPIC differ"):
        Settings.load()
    monkeypatch.setenv("LIQ_HEALTH__TOPIC", "one")
    with pytest.warns(LiqWarning, match="LIQ_HEALTH__TOPIC for LIQ_HEALTH_TOPIC"):
        assert FEED_HEALTH.topic(Settings.load()) == "one"
