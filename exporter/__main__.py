"""The command, and ``python -m exporter``: the signals first, since SIGHUP kills whoever does not mind it yet."""

import os
import sys

from exporter.signals import Signals


def entry() -> None:
    """Run the command, and end the process without waiting for any thread: one of them may hang."""
    signals = Signals()
    signals.take()
    os._exit(_code(signals))


def _code(signals: Signals) -> int:
    """The exit code, also where the host has not even enough for the program to be loaded."""
    try:
        from exporter import cli, output  # noqa: PLC0415 - they take a tenth of a second

        output.occupy_closed()
        return cli.main(sys.argv[1:], signals)
    except (ImportError, MemoryError, OSError) as error:
        os.write(2, f"tcp-state-exporter: cannot be loaded: {str(error) or 'not enough memory'}\n".encode())
        return 1


if __name__ == "__main__":
    entry()
