"""Publish Binance's liquidations to Kafka: ``python ws_server.py``, or with ``--help``."""

import sys

from liq.cli import main

sys.argv.insert(1, "produce")
main()
