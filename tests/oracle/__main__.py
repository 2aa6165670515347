"""``make oracle``: many rounds of every query, on a QuestDB of its own; ends with 1 on a fault."""

import argparse
import sys
import tempfile
from pathlib import Path

from liq import stack as local
from liq.config import Settings
from liq.stack import jars
from liq.stack.control import launch, wait_healthy
from liq.stack.servers import QUESTDB, define_servers
from liq.stack.service import ignore_event
from oracle.answers import ANSWERS
from oracle.rounds import faults
from oracle.world import loaded, world
from support.helpers import find_free_ports


def main() -> int:
    """Compare, print what differs, and return how many queries did."""
    parser = argparse.ArgumentParser(prog="oracle", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many parameter sets a query")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--world", type=int, default=15, help="seed of the rows")
    parser.add_argument("--rows", type=int, default=30_000, help="how many liquidations")
    parser.add_argument("--query", action="append", choices=list(ANSWERS), help="only this one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(home=Path(folder), **find_free_ports())
        jars.ensure(settings, ignore_event)
        (questdb,) = (service for service in define_servers(settings) if service.name == QUESTDB)
        try:
            launch([questdb], settings)
            wait_healthy(questdb)
            return _compare(given, settings)
        finally:
            local.down(settings)


def _compare(given: argparse.Namespace, stack: Settings) -> int:
    rows = world(given.world, given.rows)
    settings, wrong = loaded(stack, rows), 0
    for key in given.query or ANSWERS:
        found = list(faults(key, range(given.seed, given.seed + given.seeds), rows, settings))
        print(f"{key}: {len(found)} faults in {given.seeds} rounds", *found[:3], sep="\n  ")
        sys.stdout.flush()
        wrong += bool(found)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
