"""The numbers of one sample, decided and ready to be formatted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.count import stuck
from exporter.count.closed import Closed, ClosedHeld
from exporter.count.exhaustion import Exhaustion, Holder, Known
from exporter.count.ports import OTHER, Labels, PortBook, Traffic
from exporter.count.rules import PortRules
from exporter.count.services import Services
from exporter.count.shown import Shown
from exporter.count.stuck import Stuck, Tell, WatchedCount
from exporter.count.watched import Seen, WatchedSockets
from exporter.tcp.limits import Limits
from exporter.tcp.reading import Batch, Bulk, Columns, Counts, Watched
from exporter.tcp.roles import Roles
from exporter.tcp.shared_ports import SharedPorts
from exporter.tcp.sockets import OWN, ROLES, Listener, Role, Row, Service
from exporter.tcp.states import State
from exporter.tcp.tally import Destinations, LocalPorts, Ports, Tally, dialled

FEW_PORTS = 2000


@dataclass(frozen=True)
class AcceptQueue:
    """The fullest accept queue of the listening sockets of one port."""

    queued: int
    limit: int | None
    """The backlog, or None where the source does not tell."""


@dataclass(frozen=True)
class Census:
    """What one network namespace looked like."""

    sockets: Mapping[Row, Mapping[State, int]]
    """Each row has all states, and each role has the row ``other``."""
    shown: Mapping[Row, AbstractSet[State]]
    """The states that a row has series of: those that it has or had lately; ``other`` has all."""
    accept_queues: Mapping[Row, AcceptQueue]
    """By row of a server."""
    folded_ports: Mapping[Role, int]
    """How many ports are counted together as ``other``."""
    busiest_destination: int
    """Ephemeral ports in use towards the destination that uses most of them."""
    busiest_address: int
    """Ephemeral ports in use on the local address that uses most of them; sockets, which can share one, where that is
    far from all."""
    limits: Limits
    stuck: Stuck = field(default_factory=Stuck)
    holders: Sequence[Holder] = ()
    """Who holds stuck sockets, or has not given back their descriptors, as far as the descriptors are known."""
    closed: Closed = field(default_factory=Closed)
    """Sockets that are over and still held."""

    def total(self, state: State) -> int:
        """All sockets in *state*."""
        return sum(counts[state] for counts in self.sockets.values())


def are_ports_counted(in_use: int | None, ephemeral: range) -> bool:
    """Whether local ports are worth a line of Python each: while few are *in_use*, and when half of them are."""
    return in_use is None or in_use <= FEW_PORTS or 2 * in_use >= len(ephemeral)


class Memory(NamedTuple):
    """What one sample knows from those before."""

    watched: WatchedSockets
    services: Services
    book: PortBook
    exhaustion: Exhaustion
    closed: ClosedHeld
    shown: Shown


def blank(ports: PortRules) -> Memory:
    """The memory before the first sample."""
    return Memory(WatchedSockets(), Services(), PortBook(ports), Exhaustion(), ClosedHeld(), Shown())


class Besides(NamedTuple):
    """What a reading is looked through for beside states and ports, when that is worth its cost."""

    shared: SharedPorts | None = None
    local_ports: LocalPorts | None = None
    unseen: AbstractSet[int] = frozenset()
    """Inodes; those that the reading shows are taken away."""


NOTHING_ELSE = Besides()


class Count:
    """The sockets of one reading by state and port, as far as they have been taken; made anew for each attempt."""

    def __init__(
        self, roles: Roles, listeners: Sequence[Listener], seen: Seen, besides: Besides = NOTHING_ELSE
    ) -> None:
        self.roles, self.listeners, self.seen = roles, listeners, seen
        self._shared, self._local_ports, unseen = besides
        self.unseen = set(unseen)
        """Those of the inodes that the reading has not shown."""
        self.unseen.difference_update(listener.inode or 0 for listener in listeners)
        self._tallies = {state: Tally(roles) for state in State}
        self._destinations = Destinations()

    def add(self, batch: Batch) -> None:
        """Count the sockets of *batch*."""
        match batch:
            case Bulk(state, columns):
                self._tallies[state].add(columns, self._kinds(columns))
            case Watched(rows, are_mptcp):
                self.seen.add(rows)
                if not are_mptcp:
                    self._kinds(rows)
            case Counts(sockets):
                for (state, service), number in sockets.items():
                    self._tallies[state].count(service, number)

    def _kinds(self, columns: Columns) -> bytes:
        """Of the local ports; sockets whose port the kernel chose count for their destination, whatever their state."""
        kinds = self.roles.kinds(columns.local_ports())
        if (chosen := dialled(kinds)) is not None:
            self._destinations.add(columns, chosen)
            if self._local_ports:
                self._local_ports.add(columns, chosen)
        if self._shared:
            self._shared.add(columns, kinds)
        if self.unseen:
            self.unseen.difference_update(columns.inodes())
        return kinds

    def census(self, memory: Memory, limits: Limits, tell: Tell) -> Census:
        """The census of the complete reading, which the *memory* of the watched sockets has taken in."""
        watched = memory.watched
        by_state = self._by_state(watched)
        together = {role: _sum(ports[role] for ports in by_state.values()) for role in ROLES}
        memory.services.note(together["server"], tell.now)
        if self._shared:
            memory.services.learn(self._shared.services(), tell.now)
        traffic = Traffic(together, _stuck(watched), by_state[State.LISTEN]["server"])
        labels = memory.book.assign(traffic, limits.ephemeral, tell.now)
        owners, most = stuck.owners(watched, tell), tell.rules.owners.max
        known = Known(tell.descriptors, memory.closed.by_process())
        sockets, told = _by_row(by_state, labels), stuck.told(watched, owners, labels, tell)
        return Census(
            sockets=sockets,
            shown=memory.shown.follow(_present(sockets, told.watched), tell.now),
            accept_queues=_accept_queues(self.listeners, labels),
            folded_ports=labels.folded(together),
            busiest_destination=self._destinations.busiest,
            busiest_address=(self._local_ports or self._destinations).busiest_address,
            limits=limits,
            stuck=told,
            holders=memory.exhaustion.follow(stuck.held(watched, owners), known, tell.now, most),
            closed=memory.closed.told(most),
        )

    def _by_state(self, watched: WatchedSockets) -> Mapping[State, Ports]:
        for listener in self.listeners:
            self._tallies[State.LISTEN].count(Service("server", listener.port), 1)
        for group in watched.groups:
            if not group.alike.are_mptcp:
                self._tallies[group.alike.state].count(group.alike.service, group.present)
        return {state: tally.ports() for state, tally in self._tallies.items()}


def _stuck(watched: WatchedSockets) -> Ports:
    """Stuck sockets by role and port."""
    found: Ports = {role: Counter() for role in ROLES}
    for group in watched.groups:
        if group.stuck:
            found[group.alike.service.role][group.alike.service.port] += group.stuck
    return found


def _sum(counts: Iterable[Counter[int]]) -> Counter[int]:
    together: Counter[int] = Counter()
    for sockets in counts:
        together.update(sockets)
    return together


def _by_row(by_state: Mapping[State, Ports], labels: Labels) -> Mapping[Row, Mapping[State, int]]:
    """What is known to be none is said to be none; what no label has is what is left."""
    table = {}
    for role in ROLES:
        rest = {state: ports[role].total() for state, ports in by_state.items()}
        for port in sorted(labels.ports[role]):
            row = {state: ports[role][port] for state, ports in by_state.items()}
            rest = {state: number - row[state] for state, number in rest.items()}
            table[Row(OWN, role, str(port))] = row
        table[Row(OWN, role, OTHER)] = rest
    return table


def _present(
    sockets: Mapping[Row, Mapping[State, int]], watched: Mapping[Row, Mapping[State, WatchedCount]]
) -> Mapping[Row, Sequence[State]]:
    """The states that each row has; a connection of several subflows can be in one that none of its sockets is in."""
    return {
        row: [
            *(state for state, number in counts.items() if number),
            *(state for state, count in watched[row].items() if count.sockets),
        ]
        for row, counts in sockets.items()
    }


def _accept_queues(listeners: Sequence[Listener], labels: Labels) -> Mapping[Row, AcceptQueue]:
    """By row: workers that share a port have a queue each, and one full queue loses connections."""
    fullest: dict[Row, AcceptQueue] = {}
    for listener in sorted(listeners, key=_fullness):
        if listener.queued is not None:
            row = labels.row(Service("server", listener.port))
            fullest[row] = AcceptQueue(listener.queued, listener.backlog)
    return fullest


def _fullness(listener: Listener) -> tuple[float, int]:
    queued = listener.queued or 0
    return queued / max(listener.backlog or 1, 1), queued
