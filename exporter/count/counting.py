"""The sockets of a reading by state and port, in each network namespace, while its batches are taken."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from exporter.count.groups import Groups
from exporter.count.ports import Traffic
from exporter.count.watched import Seen
from exporter.tcp.reading import Batch, Bulk, Columns, Counts, Kept, Missed, Watched
from exporter.tcp.roles import HostRoles, Roles
from exporter.tcp.shared_ports import SharedPorts
from exporter.tcp.sockets import ROLES, Listener, Service
from exporter.tcp.states import State
from exporter.tcp.tally import Destinations, LocalPorts, Ports, Tally, dialled

FEW_PORTS = 2000


def are_ports_counted(in_use: int | None, ephemeral: range) -> bool:
    """Whether local ports are worth a line of Python each: while few are *in_use*, and when half of them are."""
    return in_use is None or in_use <= FEW_PORTS or 2 * in_use >= len(ephemeral)


class Besides(NamedTuple):
    """What a reading is looked through for beside states and ports, when that is worth its cost."""

    shared: bool = False
    """Local ports that are services' (see ``tcp.shared_ports``)."""
    local_ports: bool = False
    """Which are in use on each local address."""
    unseen: AbstractSet[int] = frozenset()
    """Inodes; those that the reading shows are taken away."""


NOTHING_ELSE = Besides()


class Counted:
    """Those of one network namespace, whose *roles* are these."""

    def __init__(self, roles: Roles, besides: Besides) -> None:
        self.roles = roles
        self._tallies: dict[State, Tally] = {}
        self._destinations = Destinations()
        self._shared = SharedPorts() if besides.shared else None
        self._local_ports = LocalPorts() if besides.local_ports else None
        self._in_use: int | None = None
        """Local ports of the busiest address, where the source has counted them."""

    def tally(self, state: State) -> Tally:
        """Where the sockets in *state* are counted."""
        found = self._tallies.get(state)
        if found is None:
            found = self._tallies[state] = Tally(self.roles)
        return found

    def look(self, columns: Columns) -> bytes:
        """Look through these for what there is besides; gives the kinds of their local ports.

        Sockets whose port the kernel chose count for their destination, whatever their state.
        """
        kinds = self.roles.kinds(columns.local_ports())
        if (chosen := dialled(kinds)) is not None:
            self._destinations.add(columns, chosen)
            if self._local_ports:
                self._local_ports.add(columns, chosen)
        if self._shared:
            self._shared.add(columns, kinds)
        return kinds

    def take(self, counts: Counts) -> None:
        """Take what the source has counted."""
        for (state, role, port), sockets in counts.sockets.items():
            self.tally(state).count(Service(role, port), sockets)
        self._destinations.count(counts.destinations)
        self._in_use = counts.ports_in_use
        if self._shared and counts.pairs:
            self._shared.count(counts.pairs)

    def by_state(self) -> Mapping[State, Ports]:
        """Sockets by role and port, in the states that there are."""
        return {state: tally.ports() for state, tally in self._tallies.items()}

    def shared(self) -> frozenset[int]:
        """Local ports that were found to be services'."""
        return self._shared.services() if self._shared else frozenset()

    @property
    def busiest_destination(self) -> int:
        """Sockets of the destination that has most."""
        return self._destinations.busiest

    @property
    def busiest_address(self) -> int:
        """Ports in use on the local address that has most; sockets where those were not counted."""
        if self._in_use is not None:
            return self._in_use
        return (self._local_ports or self._destinations).busiest_address


class Count:
    """Those of the whole reading, as far as it has been taken; made anew for each attempt."""

    def __init__(
        self, roles: HostRoles, listeners: Sequence[Listener], seen: Seen, besides: Besides = NOTHING_ELSE
    ) -> None:
        self.roles, self.listeners, self.seen = roles, listeners, seen
        self._besides = besides
        self.unseen = set(besides.unseen)
        """Those of the inodes that the reading has not shown."""
        self.unseen.difference_update(listener.inode or 0 for listener in listeners)
        self.missed: Missed | None = None
        """None where the source does not tell."""
        self.namespaces: dict[int, Counted] = {}
        """Those that have sockets, by number."""
        for listener in listeners:
            self.of(listener.netns).tally(State.LISTEN).count(Service("server", listener.port), 1)

    def of(self, netns: int) -> Counted:
        """The namespace by that number."""
        found = self.namespaces.get(netns)
        if found is None:
            found = self.namespaces[netns] = Counted(self.roles.of(netns), self._besides)
        return found

    def add(self, batch: Batch) -> None:
        """Count the sockets of *batch*."""
        match batch:
            case Bulk(state, columns, _, netns):
                counted = self.of(netns)
                counted.tally(state).add(columns, counted.look(columns))
                self._see(columns)
            case Watched(rows, are_mptcp, netns):
                self.seen.add(rows)
                if not are_mptcp:
                    self.of(netns).look(rows)
                    self._see(rows)
            case Kept(rows):
                self.seen.add(rows)
            case Counts():
                self.of(batch.netns).take(batch)
            case Missed():
                self.missed = batch

    def _see(self, columns: Columns) -> None:
        if self.unseen:
            self.unseen.difference_update(columns.inodes())

    def take_watched(self, groups: Groups) -> None:
        """Count the watched sockets, once the memory of them has taken the reading in."""
        for group in groups:
            service = group.alike.service
            counted = self.of(service.netns)
            if not group.alike.are_mptcp:
                counted.tally(group.alike.state).count(service, group.present)


def traffic(by_state: Mapping[State, Ports], stuck: Ports) -> Traffic:
    """What is known of the ports of one namespace."""
    together = {role: _sum(ports[role] for ports in by_state.values()) for role in ROLES}
    listening = by_state[State.LISTEN]["server"] if State.LISTEN in by_state else Counter[int]()
    return Traffic(together, stuck, listening)


def _sum(counts: Iterable[Counter[int]]) -> Counter[int]:
    together: Counter[int] = Counter()
    for sockets in counts:
        together.update(sockets)
    return together
