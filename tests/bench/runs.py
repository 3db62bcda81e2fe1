"""What every run of a benchmark begins with."""

import os
import signal
import sys

_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def machine() -> str:
    """Where the figures come from."""
    kernel, python = os.uname().release.split("-")[0], sys.version.split()[0]
    return f"{os.cpu_count()} cores with a load of {os.getloadavg()[0]:.1f}, Linux {kernel}, Python {python}"


def end_cleanly() -> None:
    """Let an interruption pass through all that has processes and namespaces to end, and another not disturb that."""

    def end(number: int, _frame: object) -> None:
        for one in _INTERRUPTIONS:
            signal.signal(one, signal.SIG_IGN)
        sys.exit(128 + number)

    for one in _INTERRUPTIONS:
        signal.signal(one, end)
