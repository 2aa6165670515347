"""``python -m liq`` and ``liq`` are the command, which Ctrl-C may end while it is imported."""

import sys

INTERRUPTED = 130  # as shells return it for SIGINT


def main() -> None:
    """Run the command line."""
    try:
        from liq import cli  # noqa: PLC0415 - takes a second, in which Ctrl-C is no fault

        cli.main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # liq.cli.output may not be imported yet
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
