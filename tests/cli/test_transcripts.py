"""The terminal transcripts of docs/commands.md are what the commands show."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from liq.config import Settings
from support.helpers import find_free_ports
from support.rows import insert, liquidation, own_table
from support.terminals import show

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
MARKET = [
    ("10:00:00.000001", 1_234_567.5, "BTCUSDT", "long", "binance_usdm"),
    ("10:00:01", 153_312_710.5, "BTCUSDT", "long", "bybit"),
    ("10:00:02", 8_400, "ETHUSDT", "short", "binance_usdm"),
    ("11:30:00", 91_250.25, "ETHUSDT", "long", "okx"),
    ("12:00:00", 640, "1000PEPEUSDT", "short", "bybit"),
]


def list_commands() -> Iterator[tuple[str, str]]:
    """Yield each command of the page's transcripts, and the text below it."""
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            yield command, shown.rstrip("\n")


TRANSCRIPTS = dict(list_commands())


def test_the_page_shows_the_main_commands() -> None:
    words = " ".join(TRANSCRIPTS)
    for command in ("liq hit", "--columns", "liq notebook ", "liq report", "liq open"):
        assert command in words


@pytest.fixture(scope="module")
def market(stack: Settings) -> Settings:
    settings = own_table(stack)
    rows = [
        liquidation(f"2026-01-01T{clock}", usd, symbol=symbol, side=side, exchange=venue,
                    base=symbol.removesuffix("USDT"))
        for clock, usd, symbol, side, venue in MARKET
    ]  # fmt: skip
    insert(settings, rows)
    return settings


@pytest.mark.stack
@pytest.mark.parametrize("command", [each for each in TRANSCRIPTS if " hit " in each])
def test_rows_are_shown_as_in_the_page(market: Settings, command: str) -> None:
    assert run(command, market) == TRANSCRIPTS[command]


@pytest.mark.parametrize("command", [each for each in TRANSCRIPTS if " hit " not in each])
def test_errors_are_shown_as_in_the_page(tmp_path: Path, command: str) -> None:
    settings = Settings.load(home=tmp_path, **find_free_ports())
    shown = run(command, settings)
    usual = str(Settings.model_fields["questdb_pg_port"].default)
    assert shown.replace(str(settings.questdb_pg_port), usual) == TRANSCRIPTS[command]


def run(command: str, settings: Settings) -> str:
    liq, *words = shlex.split(command)
    assert liq == "liq"
    return show(*words, environment=settings.environ()).rstrip("\n")
