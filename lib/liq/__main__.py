"""``python -m liq`` is the ``liq`` command."""

from liq.cli import main

main()
