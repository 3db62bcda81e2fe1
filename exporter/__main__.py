"""The command, and ``python -m exporter``: the signals first, since SIGHUP kills whoever does not mind it yet."""

import os
import sys
from contextlib import suppress

from exporter.signals import Signals

_SHORT = "not enough memory"


def entry() -> None:
    """Run the command, and end the process without waiting for any thread: one of them may hang."""
    signals = Signals()
    signals.take(_without_privileges)
    os._exit(_code(signals))


def _without_privileges() -> None:
    """Whoever waits for signals needs none; without that it still has to."""
    with suppress(Exception):
        from exporter.kernel import privileges  # noqa: PLC0415 - see entry

        privileges.give_up_all()


def _code(signals: Signals) -> int:
    """The exit code, also where the host has not even enough for the program to be loaded."""
    try:
        from exporter import cli, output  # noqa: PLC0415 - they take a tenth of a second

        output.occupy_closed()
        return cli.main(sys.argv[1:], signals)
    except (ImportError, MemoryError, OSError) as error:
        os.write(2, f"tcp-state-exporter: cannot be loaded: {str(error) or _SHORT}\n".encode())
        return 1
    except SystemError:  # what parts of Python make of too little memory
        os.write(2, f"tcp-state-exporter: cannot be loaded: {_SHORT}\n".encode())
        return 1


if __name__ == "__main__":
    entry()
