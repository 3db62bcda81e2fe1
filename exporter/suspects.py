"""The watched sockets of one reading: how old, how they end, which are stuck, and who holds those.

A socket is stuck when it has been in its state for longer than the state's threshold and no timer of the kernel's is
about to remove it.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from operator import itemgetter
from typing import NamedTuple

from exporter.descriptors import NOBODY, Holder
from exporter.owners import Wanted
from exporter.tcp import Endpoint, Identity, Listener, Socket, State
from exporter.tracker import Tracker
from exporter.verdict import FIN_TIMEOUT, verdict

LISTED_EACH = 1000
"""Stuck sockets of one port and state that are kept one by one, the oldest."""
LISTED = 10_000
"""Stuck sockets that are kept one by one, of all ports together; above twice that they are cut down to as many."""
UNKNOWN = 50_000
"""Stuck sockets at most whose holder is looked for at one time."""

_NOT_ACCEPTED = (State.SYN_RECV, State.CLOSE_WAIT)
"""States in which a socket that nobody holds is its listener's."""

Place = tuple[Endpoint, State]


@dataclass(slots=True)
class Group:
    """The sockets of one port in one state."""

    oldest: float
    """When the first of them came into the state."""
    stuck: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)


class Suspect(NamedTuple):
    """A stuck socket."""

    socket: Socket
    endpoint: Endpoint
    since: float
    """When it came into its state."""
    verdict: str
    held: "Held"


class Held(NamedTuple):
    """What the kernel says about who has a socket."""

    identity: Identity
    """Of the socket, or of the listening one that it belongs to as long as nobody has accepted it."""
    cgroup: int


class Suspects:
    """Looks at sockets one by one; *after* has the thresholds in seconds of the states that have one."""

    def __init__(
        self,
        after: Mapping[State, float],
        tracker: Tracker,
        holders: Mapping[Identity, Holder],
        listeners: Iterable[Listener],
        now: float,
    ) -> None:
        self.now = now
        self._latest = {state: now - seconds for state, seconds in after.items()}
        self._tracker = tracker
        self._holders = holders
        self._listening = {one.port: one for one in listeners if one.inode}
        self._identities = frozenset(one.identity for one in self._listening.values())
        self.groups: dict[Place, Group] = {}
        self.wanted: dict[Identity, Wanted] = {}
        """Where to look for the holders that are not known."""
        self._known: Counter[tuple[Place, int, Holder]] = Counter()
        self._unknown: list[tuple[Place, Held]] = []
        self._listed = _Shortlist()
        tracker.begin(now)

    def add(self, one: Socket, endpoint: Endpoint) -> None:
        """Look at a socket in one of WATCHED."""
        place = endpoint, one.state
        since, how = self._tracker.since(one), verdict(one)
        group = self.groups.get(place)
        if group is None:
            group = self.groups[place] = Group(since)
        group.oldest = min(group.oldest, since)
        group.verdicts[how] += 1
        if how != FIN_TIMEOUT and since <= self._latest.get(one.state, since - 1):
            group.stuck += 1
            self._add_stuck(one, place, since, how)

    def _add_stuck(self, one: Socket, place: Place, since: float, how: str) -> None:
        listener = None if one.inode or one.state not in _NOT_ACCEPTED else self._listening.get(one.local_port)
        held = Held(listener.identity, listener.cgroup) if listener else Held(one.identity, one.cgroup)
        self._listed.add(place, Suspect(one, place[0], since, how, held))
        holder = self._holders.get(held.identity)
        wanted = Wanted((listener or one).inode or 0, one.pid)
        if holder is None and any(wanted) and len(self._unknown) < UNKNOWN:
            self._unknown.append((place, held))
            self.wanted[held.identity] = wanted
        else:
            self._known[place, held.cgroup, holder or NOBODY] += 1

    def is_alive(self, identity: Identity) -> bool:
        """Whether the socket was there lately, in whatever state."""
        return identity in self._identities or self._tracker.knows(identity)

    def cgroups(self) -> frozenset[int]:
        """The cgroups of all stuck sockets."""
        of_known = {cgroup for _, cgroup, _ in self._known}
        return frozenset(of_known | {held.cgroup for _, held in self._unknown}) - {0}

    def by_holder(self) -> Mapping[tuple[Place, int, Holder], int]:
        """Stuck sockets by place, cgroup and holder, as far as they are known by now."""
        late = ((place, held.cgroup, self._holders.get(held.identity, NOBODY)) for place, held in self._unknown)
        return self._known + Counter(late)

    @property
    def tracked(self) -> int:
        """Sockets whose ages are remembered."""
        return len(self._tracker)

    def listed(self) -> Sequence[Suspect]:
        """The oldest stuck sockets of each port and state, the oldest first."""
        return sorted(self._listed, key=lambda one: one.since)


class _Shortlist:
    """Keeps the oldest of each place."""

    def __init__(self) -> None:
        self._places: dict[Place, list[tuple[float, int, Suspect]]] = {}
        """Heaps, the youngest of each first; numbered, since suspects have no order."""
        self._number = count()
        self._length = 0

    def add(self, place: Place, one: Suspect) -> None:
        heap = self._places.setdefault(place, [])
        entry = -one.since, next(self._number), one
        if len(heap) >= LISTED_EACH:
            heapq.heappushpop(heap, entry)
            return
        heapq.heappush(heap, entry)
        self._length += 1
        if self._length > 2 * LISTED:
            self._bound()

    def _bound(self) -> None:
        """Keep the oldest of each place, then the second of each, and so on, as many as may be."""
        ranked = sorted(
            (
                (rank, place, entry)
                for place, heap in self._places.items()
                for rank, entry in enumerate(sorted(heap, reverse=True))
            ),
            key=itemgetter(0),
        )
        self._places = {}
        for _, place, entry in ranked[:LISTED]:
            heapq.heappush(self._places.setdefault(place, []), entry)
        self._length = LISTED

    def __iter__(self) -> Iterator[Suspect]:
        return (one for heap in self._places.values() for _, _, one in heap)
