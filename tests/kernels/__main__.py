"""Boots Debian's kernels one after the other, and asks each source there for sockets of all kinds; or runs a command.

Prints a table, and ends with 1 if a source was wrong, or a kernel did not boot. Each takes some three minutes, and what
has been downloaded is kept in build/kernels.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.bench.runs import end_cleanly
from tests.bench.tables import lines
from tests.kernels import guest, matrix
from tests.kernels.archive import ArchiveFailed
from tests.kernels.guest import GuestFailed
from tests.kernels.kernels import SUITES, Kernel, kernel
from tests.kernels.matrix import Row


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    options = _options(arguments)
    end_cleanly()
    rows: list[Row] = []
    failed = [_failure(name, options, rows) for name in options.kernels or SUITES]
    if rows:
        print("\n".join(lines(matrix.table(rows), None)))
    faults = [*filter(None, failed), *(fault for one in rows for fault in matrix.faults(one))]
    print("", *faults, sep="\n")
    return 1 if faults else 0


def _failure(name: str, options: argparse.Namespace, rows: list[Row]) -> str:
    """Do what is wanted on one kernel; the answer is what has failed."""
    try:
        chosen = kernel(name)
        print(f"{name}: Linux {chosen.release}", flush=True)
        if options.run is None:
            rows.append(matrix.row(chosen))
            return ""
        return _command(chosen, options)
    except (ArchiveFailed, GuestFailed) as error:
        return f"{name}: {error}"


def _command(chosen: Kernel, options: argparse.Namespace) -> str:
    status = guest.run(chosen, options.run, seconds=options.seconds, settings=options.append)
    return f"{chosen.name}: the command ended with {status}" if status else ""


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("tests.kernels", description=__doc__)
    parser.add_argument("kernels", nargs="*", metavar="KERNEL", help=f"of {', '.join(SUITES)}; by default all")
    parser.add_argument("--run", metavar="COMMAND", help="a shell command, run there as root in this folder")
    parser.add_argument("--append", default="", metavar="SETTINGS", help="for the kernel's command line")
    parser.add_argument("--seconds", type=float, default=600.0, help="within which the command has to end (600)")
    found = parser.parse_args(arguments)
    if unknown := [name for name in found.kernels if name not in SUITES]:
        parser.error(f"no kernel {unknown[0]}, expected {', '.join(SUITES)}")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
