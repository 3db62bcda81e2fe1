"""The numbers of one sample, decided and ready to be formatted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.count import stuck
from exporter.count.ports import OTHER, Labels, PortBook
from exporter.count.rules import StuckRules
from exporter.count.stuck import Stuck
from exporter.count.suspects import UNKNOWN, Suspects
from exporter.count.tracker import Tracker
from exporter.kernel.owners import OwnerSearch
from exporter.kernel.source import Snapshot
from exporter.tcp.limits import Limits
from exporter.tcp.roles import Roles
from exporter.tcp.sockets import ROLES, Listener, Role, Service, Socket
from exporter.tcp.states import WATCHED, State
from exporter.tcp.tally import Tally

_TALLIED = (*WATCHED, State.CLOSE)


@dataclass(frozen=True)
class AcceptQueue:
    """The fullest accept queue of the listening sockets of one port."""

    queued: int
    limit: int | None
    """The backlog, or None where the source does not tell."""


@dataclass(frozen=True)
class Census:
    """What one network namespace looked like."""

    sockets: Mapping[tuple[Role, str], Mapping[State, int]]
    """By role and port label; each has all states, and each role has the label ``other``."""
    accept_queues: Mapping[str, AcceptQueue]
    """By port label of a server."""
    folded_ports: Mapping[Role, int]
    """How many ports are counted together as ``other``."""
    busiest_destination: int
    """Ephemeral ports in use towards the destination that uses most of them."""
    limits: Limits
    stuck: Stuck = field(default_factory=Stuck)

    def total(self, state: State) -> int:
        """All sockets in *state*."""
        return sum(counts[state] for counts in self.sockets.values())


@dataclass(frozen=True)
class Memory:
    """What one sample knows from those before."""

    book: PortBook
    tracker: Tracker = field(default_factory=Tracker)
    owners: OwnerSearch = field(default_factory=OwnerSearch)


class Count:
    """Takes a source's reading at the time *now*, and makes a census of it."""

    def __init__(self, memory: Memory, rules: StuckRules, limits: Limits, now: float) -> None:
        self._memory = memory
        self._rules = rules
        self._limits = limits
        self._now = now

    def roles_for(self, listeners: Sequence[Listener]) -> Roles:
        """Start, or start over: a source that fails half-way may be followed by another."""
        memory = self._memory
        self._roles = memory.book.roles(listeners, self._limits.ephemeral, self._now)
        self._tallies = {state: Tally(self._roles) for state in _TALLIED}
        owners = self._rules.owners
        unknown = UNKNOWN if owners.enabled and owners.processes else 0
        self.suspects = Suspects(
            self._rules.after, memory.tracker, memory.owners.holders, listeners, self._now, unknown=unknown
        )
        return self._roles

    def watch(self, sockets: Iterable[Socket]) -> None:
        """Count *sockets* that are in none of the bulk states."""
        for one in sockets:
            ports = one.local_port, one.remote_port
            if one.state is State.CLOSE or self.suspects.add(one, self._roles.endpoint(*ports)):
                self._tallies[one.state].add_one(*ports, one.destination)

    def census(self, snapshot: Snapshot) -> Census:
        """The census of the finished reading."""
        memory = self._memory
        tallies = {**self._tallies, **snapshot.bulk}
        by_state = {state: tally.endpoints() for state, tally in tallies.items()}
        by_state[State.LISTEN] = Counter(Service("server", one.port) for one in snapshot.listeners)
        counts = sum(by_state.values(), Counter())
        labels = memory.book.assign(counts, self._limits.ephemeral, self._now)
        memory.tracker.end()
        return Census(
            sockets=_by_label(by_state, labels),
            accept_queues=_accept_queues(snapshot.listeners, labels),
            folded_ports=_folded(counts, labels),
            busiest_destination=_busiest(tallies.values()),
            limits=self._limits,
            stuck=stuck.tell(self.suspects, memory.owners, labels, self._rules, snapshot),
        )


def _by_label(
    by_state: Mapping[State, Mapping[Service, int]], labels: Labels
) -> Mapping[tuple[Role, str], Mapping[State, int]]:
    """Add up, from a table of zeros: what is known to be none is said to be none."""
    table = {key: dict.fromkeys(State, 0) for key in labels.all()}
    for state, counts in by_state.items():
        for endpoint, sockets in counts.items():
            table[endpoint.role, labels.label(endpoint)][state] += sockets
    return table


def _accept_queues(listeners: Sequence[Listener], labels: Labels) -> Mapping[str, AcceptQueue]:
    """By label: workers that share a port have a queue each, and one full queue loses connections."""
    fullest: dict[str, AcceptQueue] = {}
    for one in sorted(listeners, key=_fullness):
        if one.queued is not None:
            fullest[labels.label(Service("server", one.port))] = AcceptQueue(one.queued, one.backlog)
    return fullest


def _fullness(listener: Listener) -> tuple[float, int]:
    queued = listener.queued or 0
    return queued / max(listener.backlog or 1, 1), queued


def _folded(counts: Mapping[Service, int], labels: Labels) -> Mapping[Role, int]:
    folded = Counter(endpoint.role for endpoint in counts if labels.label(endpoint) == OTHER)
    return {role: folded[role] for role in ROLES}


def _busiest(tallies: Iterable[Tally]) -> int:
    together: Counter[bytes] = Counter()
    for tally in tallies:
        together.update(tally.destinations())
    return max(together.values(), default=0)
