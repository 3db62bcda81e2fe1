"""Installs what ``make dist`` has made on fresh Debian systems, uses it, and takes it back.

    python -m tests.packages [SUITE ...]      bookworm and trixie by default

Needs root, debootstrap and systemd-nspawn. Prints what was checked and what it took, and ends at the first fault.
"""

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.packages import archive, machine, service, single_file
from tests.packages.machine import Machine

SUITES = ("bookworm", "trixie")
DIST = Path(__file__).parent.parent.parent / "dist"

CHECKS: Sequence[Callable[[Machine], str]] = (
    service.installs,
    service.is_hardened_and_valid,
    service.sees_what_root_sees,
    service.tells_who_leaks,
    service.loads_anew,
    service.waits_until_a_bad_configuration_is_mended,
    service.is_scraped_by_prometheus_which_loads_the_alerts,
    service.is_started_anew_when_a_sample_hangs,
    service.serves_by_tls,
    service.takes_its_port_from_systemd,
    service.counts_every_namespace,
    service.stops,
    service.keeps_its_configuration_when_it_is_installed_again,
    service.leaves_nothing,
    single_file.runs,
    archive.installs_as_the_page_says,
)


@contextmanager
def timed(suite: str, what: str) -> Iterator[list[str]]:
    """Print what was done, how long that took, and what it has told."""
    begun, told = time.monotonic(), list[str]()
    yield told
    print(f"{suite:9} {what.replace('_', ' '):60} {time.monotonic() - begun:5.1f} s  {' '.join(told)}", flush=True)


def check(suite: str) -> None:
    """All of it on one system."""
    with machine.folder() as root:
        with timed(suite, "made by debootstrap"):
            machine.make(suite, root)
        [package] = DIST.glob("*.deb")
        (root / service.PACKAGE.lstrip("/")).write_bytes(package.read_bytes())
        shutil.copytree(DIST, root / archive.DIST.lstrip("/"))
        with timed(suite, "packages fetched from Debian"):
            machine.fetch(root, service.PACKAGE, "prometheus")
        with machine.booted(root, f"tse-{suite}") as running:
            for one in CHECKS:
                with timed(suite, one.__name__) as told:
                    told.append(one(running))


if __name__ == "__main__":
    for suite in sys.argv[1:] or SUITES:
        check(suite)
    print("all of it holds")
