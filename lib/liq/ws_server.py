"""The producer by its old name: ``python -m liq.ws_server`` is ``liq produce``."""

import sys

from liq.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "produce")
    main()
