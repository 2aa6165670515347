"""``python -m liq`` and ``liq`` are the command, which Ctrl-C may end while it is imported."""

import sys

INTERRUPTED = 130  # as shells return it for SIGINT


def main() -> None:
    """Run the command line."""
    try:
        from liq import cli  # noqa: PLC0415 - takes a second, in which Ctrl-C is no fault

        cli.main()
    except KeyboardInterrupt:
        # liq.cli.output, which names what runs on, may not be imported yet
        print("interrupted; `liq status` shows what runs on", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
