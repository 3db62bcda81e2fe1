"""Sockets that are over and still held: how many there are, and whose.

A leak turns into this one when the peers close at last, or reset: its sockets leave every dump, and the descriptors are
still gone. The kernel says how many of the whole host there may be; that number moves as sockets are made and
connected, so the least of a minute counts. Whose they are is known from looks into processes, between which a reading
takes those away that are in a table (see ``tcp.closed``): who has some in two looks, and in no table between them,
holds closed ones. Nobody is told to hold more than there are: a process may have sockets of another namespace, whose
tables are not read.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from exporter.tcp.closed import Look
from exporter.tcp.holders import Process, Whose

STEADY_SECONDS = 60.0
"""Of which the least number counts."""
MANY = 10
"""Closed sockets of the host from which on they are worth a look: into all processes, if those that hold stuck ones do
not explain them. A few are there at any moment, since they are being made."""


class Closed(NamedTuple):
    """How many there are."""

    by_owner: Mapping[Whose, int] | None = None
    """The most first; None where nothing is known of them."""
    unexplained: int = 0
    """Those that nobody is known to hold."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum((self.by_owner or {}).values()) + self.unexplained


class ClosedHeld:
    """What is known of them from one sample to the next."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()
        self._is_known = self._is_told = False
        self.asked: AbstractSet[int] = frozenset()
        """Inodes that the next complete reading takes those away from that are in a table."""
        self.suspects: AbstractSet[int] = frozenset()
        """Those that it has left, which the next look has to ask for."""
        self._held: Mapping[Process, int] = {}

    def note(self, number: int | None, now: float, *, is_told: bool = False) -> None:
        """The kernel says that there are so many, or does not tell; or it has told who has each."""
        self._is_known, self._is_told = number is not None, is_told
        if number is not None:
            self._counts.append((now, number))
        while self._counts and self._counts[0][0] < now - STEADY_SECONDS:
            self._counts.popleft()

    @property
    def total(self) -> int | None:
        """How many there are on the host at least, or None where that is not known."""
        return min((number for _, number in self._counts), default=0) if self._is_known else None

    def by_process(self) -> Mapping[Process, int]:
        """Who holds how many, the most first."""
        left, told = self.total, {}
        for process, number in sorted(self._held.items(), key=lambda item: -item[1]):
            known = number if left is None else min(number, left)
            left = None if left is None else left - known
            if known:
                told[process] = known
        return told

    def told(self, most: int, netns: Callable[[Process], str] = lambda _: "") -> Closed:
        """By who holds them, *most* at most; those of others count as those of nobody. *netns* names a namespace."""
        held = self.by_process()
        if self.total is None and not held and not self._is_told:
            return Closed()
        by_owner: Counter[Whose] = Counter()
        for process, number in held.items():
            by_owner[Whose(process.cgroup, process.name, netns(process))] += number
        named = dict(by_owner.most_common(most))
        return Closed(named, max(self.total or 0, by_owner.total()) - sum(named.values()))

    def left(self, unseen: AbstractSet[int]) -> None:
        """A complete reading has not seen these of those *asked*."""
        if self.asked:
            self.asked, self.suspects = frozenset(), unseen

    def lose(self, ended: Collection[Process]) -> None:
        """These processes are no more."""
        if ended:
            self._held = {process: number for process, number in self._held.items() if process not in ended}

    def whom(self, holders: Iterable[int]) -> Iterable[int] | None:
        """The processes to look into next: *holders* of stuck sockets and those of closed ones, or None for all."""
        total, explained = self.total, sum(self._held.values())
        if total is not None and total < MANY:
            return ()
        if total is not None and explained < total / 2:
            return None
        return dict.fromkeys([*(process.pid for process in self._held), *holders])

    def learn(self, look: Look) -> None:
        """Go by what a look has shown."""
        self._held = {process: number for process, number in look.suspects.items() if number}
        self.asked, self.suspects = frozenset().union(*look.sockets.values()), frozenset()
