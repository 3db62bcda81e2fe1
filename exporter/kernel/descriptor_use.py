"""How many descriptors processes have open, and how many they may: what anybody may know of any process.

The number stands in the status of /proc/PID/fd from Linux 6.2 on (proc_fd_getattr in fs/proc/fd.c), at some ten
microseconds; the limit in /proc/PID/limits takes ten times as long, and hardly ever changes.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from exporter.kernel import processes
from exporter.tcp.holders import Descriptors

ASKED = 200
"""Processes at most in a sample."""
FRESH_SECONDS = 60.0
"""For which a limit is told before it is read again."""


class _Limit(NamedTuple):
    limit: int | None
    stale_at: float


class DescriptorUse:
    """Remembers the limits of the processes below *proc*."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._limits: dict[int, _Limit] = {}

    def of(self, pids: Iterable[int], now: float) -> Mapping[int, Descriptors]:
        """The descriptors of those of the first ASKED *pids* of which they are known.

        *now* is in seconds, on a monotonic clock.
        """
        asked = dict.fromkeys(islice(dict.fromkeys(pids), ASKED))
        self._limits = {pid: limit for pid, limit in self._limits.items() if pid in asked}
        found = {pid: self._read(pid, now) for pid in asked}
        return {pid: descriptors for pid, descriptors in found.items() if descriptors}

    def _read(self, pid: int, now: float) -> Descriptors | None:
        """None where the kernel does not tell, or the process has ended."""
        try:
            limit = self._limit(pid, now)
            number = processes.descriptors(self._proc, pid) or self._counted(pid)
        except OSError:
            return None
        return Descriptors(number, limit) if limit and number else None

    def _limit(self, pid: int, now: float) -> int | None:
        known = self._limits.get(pid)
        if known is None or now >= known.stale_at:
            known = self._limits[pid] = self._read_limit(pid, known, now)
        return known.limit

    def _read_limit(self, pid: int, before: _Limit | None, now: float) -> _Limit:
        """Where it cannot be read this time, what it was *before*. Raises OSError if that is not known."""
        try:
            return _Limit(processes.descriptor_limit(self._proc, pid), now + FRESH_SECONDS)
        except OSError:
            if before is None:
                raise
            return before

    def _counted(self, pid: int) -> int:
        """One by one, before Linux 6.2: of our own user's processes, or with the privilege."""
        return sum(1 for _ in (self._proc / str(pid) / "fd").iterdir())
