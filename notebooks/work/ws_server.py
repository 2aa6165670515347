"""Publish Binance's liquidations to Kafka: ``python ws_server.py``, or with ``--help``."""

from runpy import run_module

run_module("liq.ws_server", run_name="__main__")
