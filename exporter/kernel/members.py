"""Who is in a cgroup, by name: what anybody may know, also of the processes of other users."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from exporter.kernel import processes
from exporter.tcp.holders import NOBODY, Crowd, Process

ASKED = 20
"""Cgroups at most that are looked into in a sample."""
FRESH_SECONDS = 15.0
"""For which what was found is told before it is asked again."""
_TRIES = 2
"""A process that ends in between is in the way once, one that may not be seen always."""


class _Known(NamedTuple):
    path: str
    crowd: Crowd
    stale_at: float


class Members:
    """Remembers the processes of cgroups; *pids* gives their numbers by the path of the cgroup, 0 for a hidden one."""

    def __init__(self, pids: Callable[[str], Sequence[int]], proc: Path = Path("/proc")) -> None:
        self._pids, self._proc = pids, proc
        self._known: dict[int, _Known] = {}

    def of(self, cgroups: Mapping[int, str], now: float) -> Mapping[int, Crowd]:
        """Who is in these *cgroups*, paths by number, as far as it is known; forget the others.

        Nobody is told of a cgroup of which not all can be. *now* is in seconds, on any clock that does not go back.
        """
        self._known = {number: known for number, known in self._known.items() if cgroups.get(number) == known.path}
        for number in list(self._stale(cgroups, now))[:ASKED]:
            path = cgroups[number]
            self._known[number] = _Known(path, self._crowd(path), now + FRESH_SECONDS)
        return {number: known.crowd for number, known in self._known.items()}

    def _stale(self, cgroups: Mapping[int, str], now: float) -> Iterator[int]:
        """Those that are not known first."""
        yield from cgroups.keys() - self._known.keys()
        yield from sorted(
            (number for number, known in self._known.items() if now >= known.stale_at),
            key=lambda number: self._known[number].stale_at,
        )

    def _crowd(self, path: str) -> Crowd:
        for _ in range(_TRIES):
            try:
                return self._all_of(path, self._pids(path))
            except OSError:
                continue
        return NOBODY

    def _all_of(self, path: str, pids: Sequence[int]) -> Crowd:
        """Raises OSError for a process that has ended meanwhile, or may not be seen."""
        found = tuple(Process(pid, processes.name(self._proc, pid), path) for pid in pids)
        open_each = [processes.descriptors(self._proc, pid) for pid in pids]
        return Crowd(found, sum(open_each) if all(open_each) else None)
