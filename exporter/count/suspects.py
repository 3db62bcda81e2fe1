"""The watched sockets of one reading: how old, how they end, which are stuck, and who holds those.

A socket is stuck when it has been in its state for longer than the state's threshold and no timer of the kernel's is
about to remove it.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import NamedTuple

from exporter.count.tracker import Tracker
from exporter.tcp.holders import NO_PROCESS, HolderClue, Process
from exporter.tcp.sockets import Identity, Listener, Service, Socket
from exporter.tcp.states import State
from exporter.tcp.verdicts import FIN_TIMEOUT, verdict

LISTED = 4000
"""Stuck sockets that are kept one by one; the ports and states that have any share the places."""
LISTED_EACH = 1000
"""Of these, at most of one port and state."""
UNKNOWN = 10_000
"""Stuck sockets at most whose holder is looked for at one time."""

_NOT_ACCEPTED = (State.SYN_RECV, State.CLOSE_WAIT)
"""States in which a socket that nobody holds is its listener's."""

Place = tuple[Service, State]


@dataclass(slots=True)
class Group:
    """The sockets of one port in one state."""

    oldest: float
    """When the first of them came into the state."""
    stuck: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    held: Counter[tuple[int, Process]] = field(default_factory=Counter)
    """The stuck ones by cgroup and holder, as far as they were known when each was seen."""


class Suspect(NamedTuple):
    """A stuck socket."""

    socket: Socket
    endpoint: Service
    since: float
    """When it came into its state."""
    verdict: str
    responsible: Identity
    """Its own identity, or that of the listening socket that it belongs to as long as nobody has accepted it."""
    cgroup: int
    """Of the responsible socket."""


class Suspects:
    """Looks at sockets one by one; *after* has the thresholds in seconds of the states that have one."""

    def __init__(  # noqa: PLR0913 - all that is known beforehand
        self,
        after: Mapping[State, float],
        tracker: Tracker,
        holders: Mapping[Identity, Process],
        listeners: Iterable[Listener],
        now: float,
        *,
        unknown: int = UNKNOWN,
    ) -> None:
        self.now = now
        self._latest = {state: now - seconds for state, seconds in after.items()}
        self._tracker = tracker
        self._holders = holders
        self._listening = {one.port: one for one in listeners if one.inode}
        self._identities = frozenset(one.identity for one in self._listening.values())
        self._places_for_unknown = unknown
        self.groups: dict[Place, Group] = {}
        self.wanted: dict[Identity, HolderClue] = {}
        """Where to look for the holders that are not known."""
        self._unknown: list[tuple[Group, Identity, int]] = []
        self._listed = _Shortlist()
        tracker.begin(now)

    def add(self, one: Socket, endpoint: Service) -> bool:
        """Look at a socket in one of WATCHED; False if this reading has shown it before."""
        since = self._tracker.since(one)
        if since is None:
            return False
        place, how = (endpoint, one.state), verdict(one)
        group = self.groups.get(place)
        if group is None:
            group = self.groups[place] = Group(since)
        group.oldest = min(group.oldest, since)
        group.verdicts[how] += 1
        if how != FIN_TIMEOUT and since <= self._latest.get(one.state, -inf):
            group.stuck += 1
            self._add_stuck(one, group, place, since, how)
        return True

    def _add_stuck(self, one: Socket, group: Group, place: Place, since: float, how: str) -> None:
        not_accepted = not one.inode and one.state in _NOT_ACCEPTED
        of: Socket | Listener = self._listening.get(one.local_port, one) if not_accepted else one
        identity = of.identity
        if self._listed.has_room(place, since):
            self._listed.add(place, Suspect(one, place[0], since, how, identity, of.cgroup))
        holder = self._holders.get(identity)
        if holder is None and (of.inode or one.pid) and len(self._unknown) < self._places_for_unknown:
            self._unknown.append((group, identity, of.cgroup))
            self.wanted[identity] = HolderClue(of.inode or 0, one.pid)
        else:
            group.held[of.cgroup, holder or NO_PROCESS] += 1

    def learn(self) -> None:
        """Count also those whose holders were not known when they were seen, as far as they are by now."""
        for group, identity, cgroup in self._unknown:
            group.held[cgroup, self._holders.get(identity, NO_PROCESS)] += 1
        self._unknown.clear()

    def is_alive(self, identity: Identity) -> bool:
        """Whether the socket was there lately, in whatever state."""
        return identity in self._identities or self._tracker.knows(identity)

    def cgroups(self) -> frozenset[int]:
        """The cgroups of all stuck sockets."""
        of_known = {cgroup for group in self.groups.values() for cgroup, _ in group.held}
        return frozenset(of_known | {cgroup for _, _, cgroup in self._unknown}) - {0}

    @property
    def tracked(self) -> int:
        """Sockets whose ages are remembered."""
        return len(self._tracker)

    def listed(self) -> Sequence[Suspect]:
        """The oldest stuck sockets of each port and state, the oldest first."""
        return self._listed.oldest()


class _Shortlist:
    """Keeps the oldest of each place; the more places there are, the fewer of each."""

    def __init__(self) -> None:
        self._places: dict[Place, list[tuple[float, int, Suspect]]] = {}
        """Heaps, the youngest of each first; numbered, since suspects have no order."""
        self._most = LISTED_EACH
        """Of each place."""
        self._number = count()

    def has_room(self, place: Place, since: float) -> bool:
        """Whether one that is so old would be kept."""
        heap = self._places.get(place)
        return heap is None or len(heap) < self._most or since < -heap[0][0]

    def add(self, place: Place, one: Suspect) -> None:
        if place not in self._places:
            self._places[place] = []
            self._most = max(1, min(LISTED_EACH, LISTED // len(self._places)))
        heap = self._places[place]
        heapq.heappush(heap, (-one.since, next(self._number), one))
        while len(heap) > self._most:
            heapq.heappop(heap)

    def oldest(self) -> list[Suspect]:
        kept = (entry[2] for heap in self._places.values() for entry in heapq.nlargest(self._most, heap))
        return sorted(kept, key=lambda one: one.since)[:LISTED]
