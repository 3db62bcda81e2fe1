"""The numbers of one sample, decided and ready to be formatted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from exporter.count import counting, stuck
from exporter.count.closed import Closed, ClosedHeld
from exporter.count.counting import Count, Counted
from exporter.count.exhaustion import Exhaustion, Holder, Known
from exporter.count.labels import Book, Labels
from exporter.count.ports import Traffic
from exporter.count.rules import NamespaceRules, PortRules
from exporter.count.services import HostServices
from exporter.count.shown import Shown
from exporter.count.stuck import Stuck, Tell, WatchedCount
from exporter.count.watched import WatchedSockets
from exporter.tcp.holders import Process
from exporter.tcp.limits import Limits
from exporter.tcp.namespaces import OURS, OWN, Namespace
from exporter.tcp.reading import Missed
from exporter.tcp.sockets import ROLES, Listener, Role, Row, Service
from exporter.tcp.states import State
from exporter.tcp.tally import Ports


@dataclass(frozen=True)
class AcceptQueue:
    """The fullest accept queue of the listening sockets of one port."""

    queued: int
    limit: int | None
    """The backlog, or None where the source does not tell."""


@dataclass(frozen=True)
class Bounds:
    """What bounds the sockets of one network namespace, and what is used of it."""

    limits: Limits
    busiest_destination: int = 0
    """Ephemeral ports in use towards the destination that uses most of them."""
    busiest_address: int = 0
    """Ephemeral ports in use on the local address that uses most of them; sockets, which can share one, where that is
    far from all."""
    folded_ports: Mapping[Role, int] = field(default_factory=dict)
    """How many ports are counted together as ``other``."""
    namespace: Namespace = OURS


@dataclass(frozen=True)
class Census:
    """What the network namespaces looked like."""

    sockets: Mapping[Row, Mapping[State, int]]
    """Each row has all states, and each role of a namespace has the row ``other``."""
    shown: Mapping[Row, AbstractSet[State]]
    """The states that a row has series of: those that it has or had lately."""
    accept_queues: Mapping[Row, AcceptQueue]
    """By row of a server."""
    own: Bounds
    """Those of the exporter's own namespace."""
    elsewhere: Sequence[Bounds] = ()
    """Those of others that are told by name; empty where only our own is read."""
    namespaces: int = 1
    """How many have sockets, those that are told together included."""
    namespaces_missed: int | None = None
    """Those that could not be entered; None where only our own is read."""
    missed: Missed | None = None
    """How exact the source is; None where it does not tell."""
    stuck: Stuck = field(default_factory=Stuck)
    holders: Sequence[Holder] = ()
    """Who holds stuck sockets, or has not given back their descriptors, as far as the descriptors are known."""
    closed: Closed = field(default_factory=Closed)
    """Sockets that are over and still held."""

    def total(self, state: State) -> int:
        """All sockets in *state*, of all namespaces."""
        return sum(counts[state] for counts in self.sockets.values())


class Memory(NamedTuple):
    """What one sample knows from those before."""

    watched: WatchedSockets
    services: HostServices
    book: Book
    exhaustion: Exhaustion
    closed: ClosedHeld
    shown: Shown


def blank(ports: PortRules, namespaces: NamespaceRules) -> Memory:
    """The memory before the first sample."""
    return Memory(WatchedSockets(), HostServices(), Book(ports, namespaces), Exhaustion(), ClosedHeld(), Shown())


class _Space(NamedTuple):
    """One network namespace, counted."""

    counted: Counted
    by_state: Mapping[State, Ports]
    traffic: Traffic


def census(count: Count, memory: Memory, limits: Mapping[int, Limits], tell: Tell) -> Census:
    """The census of a complete reading, which the *memory* of the watched sockets has taken in.

    *limits* are by number of the namespace.
    """
    watched = memory.watched
    count.take_watched(watched.groups)
    spaces = _spaces(count, _stuck(watched))
    _learn(memory, spaces, tell.now)
    labels = memory.book.assign(
        {netns: space.traffic for netns, space in spaces.items()},
        {netns: known.ephemeral for netns, known in limits.items()},
        {netns: one.name for netns, one in tell.namespaces.items()},
        tell.now,
    )
    owners, most = stuck.owners(watched, tell), tell.rules.owners.max
    known = Known(tell.descriptors, memory.closed.by_process(), partial(_netns, memory.exhaustion, tell))
    sockets = _by_row(spaces, labels)
    told = stuck.told(watched, owners, labels, sockets, tell)
    own, *elsewhere = (_bounds(netns, spaces[netns], labels, limits, tell) for netns in sorted(labels.ports))
    return Census(
        sockets=sockets,
        shown=memory.shown.follow(_present(sockets, told.watched), tell.now),
        accept_queues=_accept_queues(count.listeners, labels),
        own=own,
        elsewhere=elsewhere,
        namespaces=len(spaces),
        namespaces_missed=tell.namespaces_missed,
        missed=count.missed,
        stuck=told,
        holders=memory.exhaustion.follow(stuck.held(watched, owners, labels), known, tell.now, most),
        closed=memory.closed.told(most, known.netns),
    )


def _netns(exhaustion: Exhaustion, tell: Tell, process: Process) -> str:
    """The name of the namespace that closed sockets of a process are of: they were seen there, or it is in there."""
    remembered = exhaustion.netns(process.pid)
    return tell.netns_of.get(process.pid, "") if remembered is None else remembered


def _spaces(count: Count, stuck_sockets: Mapping[int, Ports]) -> Mapping[int, _Space]:
    """By number of the namespace; our own is there also without any socket."""
    count.of(OWN)
    spaces = {}
    for netns, counted in count.namespaces.items():
        by_state = counted.by_state()
        spaces[netns] = _Space(counted, by_state, counting.traffic(by_state, stuck_sockets.get(netns, _no_ports())))
    return spaces


def _learn(memory: Memory, spaces: Mapping[int, _Space], now: float) -> None:
    """What services there are."""
    for netns, space in spaces.items():
        services = memory.services.of(netns)
        services.note(space.traffic.sockets["server"], now)
        services.learn(space.counted.shared(), now)


def _stuck(watched: WatchedSockets) -> Mapping[int, Ports]:
    """Stuck sockets by number of the namespace, role and port."""
    found: dict[int, Ports] = {}
    for group in watched.groups:
        if group.stuck:
            role, port, netns = group.alike.service
            found.setdefault(netns, _no_ports())[role][port] += group.stuck
    return found


def _no_ports() -> Ports:
    return {role: Counter() for role in ROLES}


def _by_row(spaces: Mapping[int, _Space], labels: Labels) -> dict[Row, dict[State, int]]:
    """What is known to be none is said to be none; what no label has is what is left."""
    table: dict[Row, dict[State, int]] = {}
    for netns, space in sorted(spaces.items()):
        left = {role: {state: ports[role].total() for state, ports in space.by_state.items()} for role in ROLES}
        for service, row in labels.rows(netns):
            counts = left[row.role] if service is None else _of_port(space.by_state, service)
            if service is not None:
                left[row.role] = {state: number - counts[state] for state, number in left[row.role].items()}
            _add(table, row, counts)
    return table


def _of_port(by_state: Mapping[State, Ports], service: Service) -> dict[State, int]:
    return {state: ports[service.role][service.port] for state, ports in by_state.items()}


def _add(table: dict[Row, dict[State, int]], row: Row, counts: Mapping[State, int]) -> None:
    """Namespaces that are told together share rows, and so do those of one name."""
    found = table.setdefault(row, dict.fromkeys(State, 0))
    for state, number in counts.items():
        found[state] += number


def _bounds(netns: int, space: _Space, labels: Labels, limits: Mapping[int, Limits], tell: Tell) -> Bounds:
    counted = space.counted
    return Bounds(
        limits.get(netns, Limits()),
        counted.busiest_destination,
        counted.busiest_address,
        labels.folded(netns, space.traffic.sockets),
        tell.namespaces.get(netns, Namespace(netns, labels.names[netns])),
    )


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
            row = labels.row(Service("server", listener.port, listener.netns))
            fullest[row] = AcceptQueue(listener.queued, listener.backlog)
    return fullest


def _fullness(listener: Listener) -> tuple[float, int]:
    queued = listener.queued or 0
    return queued / max(listener.backlog or 1, 1), queued
