"""The coin behind a base asset, whatever the contract's multiplier: ``1000PEPE`` is PEPE.

Venues list cheap coins in thousands or millions, and put the number into the base asset:

============================== ======================= ==============================
base asset                     asset, coins per base   venues
============================== ======================= ==============================
``1000PEPE``, ``1000000MOG``   PEPE 1,000              Binance, Bybit, Bitget, Lighter
``10000SATS``, ``1000SATS``    SATS 10,000 and 1,000   Bybit, Binance
``SHIB1000``                   SHIB 1,000              Bybit
``1MBABYDOGE``                 BABYDOGE 1,000,000      Binance, Bitget
``kPEPE``                      PEPE 1,000              Hyperliquid, Backpack
============================== ======================= ==============================

The rule is the regular expression `PATTERN`. A multiplier has three zeros or more, or is ``1M`` or
``k`` before three capital letters. So ``1INCH``, ``0G``, ``2Z``, ``1MIL``, ``PEPE2`` and
``HPOS10I`` are names of coins. ``1000X`` is 1,000 X (X Empire) at Binance and Bybit. `NAMED` lists
other names of a coin, and multipliers that have another form.

Sources: venues name the coin as they announce a contract, such as Binance's
https://www.binance.com/en/square/post/13611143152594 (Baby Doge Coin is 1MBABYDOGEUSDT, and NEIRO
is First Neiro on Ethereum) and https://www.binance.com/en/square/post/16709686255801. Kraken
explains XBT: https://support.kraken.com/hc/en-us/articles/360001206766. All names were found in at
least two other programs that map them to the same coin.

The rule is the same in Python, in Spark and in the sink, which reads `describe` from its
configuration: `PATTERN` means the same in Python and in Java.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

COINS = "record.coins"  # the sink's key
# the fields that follow from the base asset, as SQL; {units} is the number of coins in a base
FIELDS = {
    "asset": "{asset}",
    "asset_quantity": "quantity * {units}",
    "asset_price": "price / {units}",
}
# groups: multiplier, coin, multiplier
PATTERN = r"(10{3,8}|1M(?=[A-Z]{3})|k(?=[A-Z]{3}))?([^\x00-\x200-9][\s\S]*?)((?<=[A-Z]{3})1000)?"


class Coin(NamedTuple):
    """A coin, and how many ``units`` of it one base of a contract is."""

    asset: str
    units: float = 1.0


NAMED: Mapping[str, Coin] = {
    "XBT": Coin("BTC"),  # BitMEX, Kraken
    "XDG": Coin("DOGE"),  # Kraken
    "LUNA2": Coin("LUNA"),  # Terra 2.0 at Binance and Bybit; the first Terra is LUNC everywhere
    "BEAMX": Coin("BEAM"),  # Binance
    "DODOX": Coin("DODO"),  # Binance
    "RONIN": Coin("RON"),  # Binance
    "RAYDIUM": Coin("RAY"),  # Bybit
    "MBABYDOGE": Coin("BABYDOGE", 1e6),  # Gate
    "1000NEIROCTO": Coin("NEIRO", 1e3),  # Bybit; Binance's NEIRO
}
_UNITS = {"1M": 1e6, "k": 1e3}
_multiplied = re.compile(PATTERN)


@lru_cache(maxsize=4096)  # bases are few, and asked for again and again
def find_coin(base: str) -> Coin:
    """Return the coin of a base asset, as venues name it.

    Example:
        >>> from liq.records.coins import find_coin
        >>> find_coin("1000PEPE")
        Coin(asset='PEPE', units=1000.0)
    """
    if named := NAMED.get(base):
        return named
    if not (found := _multiplied.fullmatch(base)):
        return Coin(base)
    before, asset, after = found.groups()
    return Coin(asset, _read_units(before) * _read_units(after))


def describe() -> str:
    """Return the rule for the sink's configuration: `PATTERN`, then ``XBT=1*BTC`` and so on."""
    named = (f"{base}={coin.units:.0f}*{coin.asset}" for base, coin in NAMED.items())
    return " ".join([PATTERN, *named])


def _read_units(text: str | None) -> float:
    return _UNITS.get(text) or float(text) if text else 1.0
