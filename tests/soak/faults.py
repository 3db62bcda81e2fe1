"""What happens to an exporter in a year, one after the other."""

import resource
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import certificates
from tests.lab.daemon import Process
from tests.soak.scrapers import Scraper

FROZEN_SECONDS = 6.0
"""Longer than three intervals."""


@dataclass(frozen=True)
class Host:
    """The exporter and what it reads."""

    running: Process
    folder: Path
    scraper: Scraper


@dataclass(frozen=True)
class Fault:
    """Something that is done to it."""

    name: str
    do: Callable[[Host], None]
    misses: bool = False
    """Whether scrapes may be missed meanwhile."""


def _freeze(host: Host) -> None:
    host.running.signal(signal.SIGSTOP)
    time.sleep(FROZEN_SECONDS)
    host.running.signal(signal.SIGCONT)


def _reload(host: Host) -> None:
    for _ in range(20):
        host.running.signal(signal.SIGHUP)
        time.sleep(0.01)


def _misconfigure(host: Host) -> None:
    file = host.folder / "config.yaml"
    text = file.read_text()
    file.write_text("[" * 5000)
    host.running.signal(signal.SIGHUP)
    time.sleep(2)
    file.write_text(text)
    host.running.signal(signal.SIGHUP)


def _renew(host: Host) -> None:
    certificates.make(host.folder, "own")
    host.running.signal(signal.SIGHUP)


def _starve(host: Host) -> None:
    """There is no descriptor left for a source that has to be opened anew."""
    pid = host.running.popen.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()), before[1]))
    time.sleep(4)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def _block(_: Host) -> None:
    """A burst of traffic that takes the processor."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        sum(range(10_000))


FAULTS: Sequence[Fault] = (
    Fault("frozen for six seconds", _freeze, misses=True),
    Fault("twenty reloads at once", _reload),
    Fault("a configuration that is none, and a good one", _misconfigure),
    Fault("another certificate", _renew),
    Fault("no descriptor left for four seconds", _starve, misses=True),
    Fault("no processor left for three seconds", _block),
)
