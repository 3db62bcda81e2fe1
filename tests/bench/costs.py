"""What something has cost, of time and of memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Of one count."""

    cpu: float
    """Processor time in seconds."""
    wall: float
    """Seconds."""
    memory: int | None = None
    """Peak resident bytes; not known of a program that has ended, whose peak includes the process that started it."""


Measure = Callable[[], Cost]


def cpu_of(pid: int) -> float:
    """Seconds of processor time that the process has had, by its own clock: see clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def peak_of(pid: int) -> int:
    """Peak resident bytes of the process."""
    return _status(pid, "VmHWM")


def resident_of(pid: int) -> int:
    """Resident bytes of the process."""
    return _status(pid, "VmRSS")


def _status(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
