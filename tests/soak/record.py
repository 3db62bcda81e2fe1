"""What the exporter has taken, from the beginning to the end."""

import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.soak.faults import Fault, Host
from tests.soak.scrapers import Missed, Scraper

EVERY_SECONDS = 5.0
GROWTH = 1.05
"""Of the memory of the second quarter that the last may have; the first one warms up."""
SLACK = 1024
"""KiB that it may have besides."""
AFTER_SECONDS = 5.0
"""In which scrapes may be missed behind a fault that makes them missed."""
LINES = 12
"""Of the table, of what was missed, and of what was logged."""


class Taken(NamedTuple):
    """At one moment."""

    at: float
    """Seconds from the beginning."""
    kibibytes: int
    """Resident."""
    descriptors: int
    threads: int

    def __str__(self) -> str:
        size = f"{self.kibibytes / 1024:.1f} MiB"
        return f"{self.at / 60:6.1f} min: {size}, {self.descriptors} descriptors, {self.threads} threads"


class Done(NamedTuple):
    """A fault that was."""

    fault: Fault
    begun: float
    ended: float
    """On the monotonic clock."""

    def explains(self, missed: Missed) -> bool:
        return self.fault.misses and self.begun - 1 <= missed.at <= self.ended + AFTER_SECONDS


class Record:
    """Of the process *pid*, which logs to *log* and is asked by *scraper*."""

    def __init__(self, pid: int, scraper: Scraper, log: Path) -> None:
        self._pid, self._scraper, self._log = pid, scraper, log
        self._taken: list[Taken] = []
        self._done: list[Done] = []

    def note(self, at: float) -> None:
        """Look at the process, *at* seconds from the beginning, if it is time."""
        if not self._taken or at >= self._taken[-1].at + EVERY_SECONDS:
            self._taken.append(_taken(self._pid, at))

    def during(self, fault: Fault, host: Host) -> None:
        """Have the *fault*."""
        begun = time.monotonic()
        fault.do(host)
        self._done.append(Done(fault, begun, time.monotonic()))

    def faults(self) -> Sequence[str]:
        """What must not be."""
        before, after = self._quarter(1), self._quarter(3)
        missed = [one for one in self._scraper.missed if not any(done.explains(one) for done in self._done)]
        grown = {
            "memory": (before.kibibytes * GROWTH + SLACK, after.kibibytes),
            "descriptors": (before.descriptors + 2, after.descriptors),
            "threads": (before.threads, after.threads),
        }
        found = [f"{name} grew: {now} after {then:.0f}" for name, (then, now) in grown.items() if now > then]
        if missed:
            found.append(f"{len(missed)} scrapes were missed for no reason; the first:")
        return [*found, *map(self._told, missed[:LINES])]

    def _told(self, missed: Missed) -> str:
        """With the fault that came before."""
        text = f"{missed.word} for {missed.path}"
        before = [done for done in self._done if done.begun <= missed.at]
        return text + (f", {missed.at - before[-1].ended:.1f} s after: {before[-1].fault.name}" if before else "")

    def _quarter(self, number: int) -> Taken:
        """The medians of one."""
        length = max(1, len(self._taken) // 4)
        some = self._taken[number * length : (number + 1) * length] or self._taken
        return Taken(*(round(statistics.median(column)) for column in zip(*some, strict=True)))

    def table(self) -> str:
        """All of it as text."""
        step = -(-len(self._taken) // LINES)
        lines = [str(taken) for taken in self._taken[::step]]
        facts = (
            f"faults: {dict(Counter(done.fault.name for done in self._done))}",
            f"answers: {dict(self._scraper.answers)}, the slowest {self._scraper.slowest:.2f} s",
            "log lines:",
        )
        return "\n".join([*lines, *facts, *self._log_lines()])

    def _log_lines(self) -> Iterator[str]:
        """How often each kind of line is there, the most frequent first."""
        kinds = Counter(re.sub(r"\d+", "#", line.split("level=")[-1])[:100] for line in self._log.open())
        return (f"{number:6} {kind.rstrip()}" for kind, number in kinds.most_common(LINES))


def _taken(pid: int, at: float) -> Taken:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return Taken(at, int(status["VmRSS"].split()[0]), descriptors, int(status["Threads"]))
