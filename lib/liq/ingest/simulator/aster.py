"""Aster's side of the forceOrder protocol, which is Binance's without routes below ``/market``.

Source: https://github.com/asterdex/api-docs
"""

from liq.ingest.simulator.binance import Binance


class Aster(Binance):
    """USDT-margined contracts."""
