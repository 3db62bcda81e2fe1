"""Prints what a sample costs, section by section: see ``--help``."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from tests.bench import counting, quiet, serving, tables
from tests.bench.hosts import Scale
from tests.bench.tables import Table

SECTIONS: Mapping[str, Callable[[Scale], Table]] = {
    "others": counting.beside_others,
    "watched": counting.watched,
    "stuck": counting.stuck,
    "ports": counting.ports,
    "destinations": counting.destinations,
    "daemon": serving.scraped,
    "idle": quiet.idle,
    "list": quiet.listed,
}

_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str]) -> None:
    chosen, divisor = _options(arguments)
    _end_cleanly()
    print(_machine())
    before = None
    for name in chosen:
        table = SECTIONS[name](lambda sockets: sockets // divisor)
        print("\n".join(tables.lines(table, before)), flush=True)
        before = table


def _machine() -> str:
    kernel, python = os.uname().release.split("-")[0], sys.version.split()[0]
    return f"{os.cpu_count()} cores with a load of {os.getloadavg()[0]:.1f}, Linux {kernel}, Python {python}"


def _options(arguments: Sequence[str]) -> tuple[Sequence[str], int]:
    """Sections, and by how much to divide their numbers of sockets."""
    parser = argparse.ArgumentParser("tests.bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; by default all")
    parser.add_argument("--smaller", type=int, default=1, metavar="N", help="so many times fewer sockets, to try it")
    found = parser.parse_args(arguments)
    unknown = [name for name in found.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {unknown[0]}, expected {', '.join(SECTIONS)}")
    return found.sections or list(SECTIONS), found.smaller


def _end_cleanly() -> None:
    """Let an interruption pass through all that has processes and namespaces to end, and another not disturb that."""

    def end(number: int, _frame: object) -> None:
        for one in _INTERRUPTIONS:
            signal.signal(one, signal.SIG_IGN)
        sys.exit(128 + number)

    for one in _INTERRUPTIONS:
        signal.signal(one, end)


if __name__ == "__main__":
    main(sys.argv[1:])
