"""Prints what a sample costs, section by section: see ``--help``."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from tests.bench import counting, inside, quiet, serving, tables
from tests.bench.hosts import Scale
from tests.bench.runs import end_cleanly, machine
from tests.bench.tables import Table

SECTIONS: Mapping[str, Callable[[Scale], Table]] = {
    "others": counting.beside_others,
    "watched": counting.watched,
    "stuck": counting.stuck,
    "ports": counting.ports,
    "destinations": counting.destinations,
    "bpf": inside.samples,
    "slices": inside.slices,
    "daemon": serving.scraped,
    "idle": quiet.idle,
    "list": quiet.listed,
}


def main(arguments: Sequence[str]) -> None:
    chosen, divisor = _options(arguments)
    end_cleanly()
    print(machine())
    before = None
    for name in chosen:
        table = SECTIONS[name](lambda sockets: sockets // divisor)
        print("\n".join(tables.lines(table, before)), flush=True)
        before = table


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


if __name__ == "__main__":
    main(sys.argv[1:])
