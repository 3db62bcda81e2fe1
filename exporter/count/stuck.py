"""What a sample knows about stuck sockets: how many, how old, how they end, who has them, and which they are."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.count.ports import OTHER, Labels
from exporter.count.rules import StuckRules
from exporter.count.suspects import Group, Suspect, Suspects
from exporter.kernel.owners import OwnerSearch
from exporter.kernel.source import Snapshot
from exporter.tcp.holders import NO_PROCESS, Owner
from exporter.tcp.sockets import Ends, Role, Service, Socket
from exporter.tcp.states import WATCHED, State


@dataclass(frozen=True)
class Watched:
    """The sockets of one port in one of tcp.WATCHED."""

    stuck: int = 0
    oldest: float = 0.0
    """Age in seconds of the oldest; 0 if there is none."""
    verdicts: Mapping[str, int] = field(default_factory=dict)
    """As in ``verdict.VERDICTS``."""


class OwnerRow(NamedTuple):
    """What an owner has."""

    role: Role
    port: str
    state: State
    cgroup: str
    """``other`` for those that found no place."""
    process: str


@dataclass(frozen=True)
class StuckSocket:
    """A stuck socket by itself."""

    state: State
    endpoint: Service
    ends: Ends
    age: float
    """Seconds in the state."""
    verdict: str
    """One of ``verdict.VERDICTS`` of the state, or empty."""
    receive_queue: int
    send_queue: int
    owner: Owner


@dataclass(frozen=True)
class Stuck:
    """What is known about the watched sockets."""

    watched: Mapping[tuple[Role, str], Mapping[State, Watched]] = field(default_factory=dict)
    """By role and port label, as the sockets of the census."""
    after: Mapping[State, float] = field(default_factory=dict)
    """The thresholds in force, in seconds."""
    verdicts_known: bool = False
    """Whether the source tells how sockets end."""
    owners: Mapping[OwnerRow, int] | None = None
    """Stuck sockets by owner, most first; None if they are not told."""
    listed: Sequence[tuple[Suspect, Owner]] = ()
    """The oldest stuck sockets, one by one, the oldest first."""
    ends: Callable[[Socket], Ends] | None = None
    at: float = 0.0
    """When this was so, on the clock of the suspects."""
    tracked: int = 0
    """Sockets whose ages are remembered."""

    def sockets(self, state: str | None = None, port: int | None = None) -> Iterator[StuckSocket]:
        """The stuck sockets one by one, the oldest first; of one *state* and one *port*, if these are given."""
        for suspect, owner in self.listed:
            if state in {None, suspect.socket.state.label} and port in {None, suspect.endpoint.port}:
                yield self._socket(suspect, owner)

    def _socket(self, suspect: Suspect, owner: Owner) -> StuckSocket:
        one = suspect.socket
        return StuckSocket(
            state=one.state,
            endpoint=suspect.endpoint,
            ends=self.ends(one) if self.ends else Ends("", ""),
            age=self.at - suspect.since,
            verdict=suspect.verdict,
            receive_queue=one.receive_queue,
            send_queue=one.send_queue,
            owner=owner,
        )


def tell(suspects: Suspects, owners: OwnerSearch, labels: Labels, rules: StuckRules, snapshot: Snapshot) -> Stuck:
    """Put together what the finished reading gave."""
    suspects.learn()
    return Stuck(
        watched=_watched(suspects.groups, labels, suspects.now),
        after=rules.after,
        verdicts_known=snapshot.tells_timers,
        owners=_by_owner(suspects, owners, labels, rules.owners.max) if rules.owners.enabled else None,
        listed=[(one, _owner(one, owners)) for one in suspects.listed()],
        ends=snapshot.ends,
        at=suspects.now,
        tracked=suspects.tracked,
    )


def _owner(one: Suspect, owners: OwnerSearch) -> Owner:
    return owners.owner(one.cgroup, owners.holders.get(one.responsible, NO_PROCESS))


def _watched(
    groups: Mapping[tuple[Service, State], Group], labels: Labels, now: float
) -> Mapping[tuple[Role, str], Mapping[State, Watched]]:
    """Put the groups of ports without a label together."""
    table = {key: dict.fromkeys(WATCHED, Watched()) for key in labels.all()}
    for (endpoint, state), group in groups.items():
        row = table[endpoint.role, labels.label(endpoint)]
        before = row[state]
        verdicts = Counter(before.verdicts) + group.verdicts
        row[state] = Watched(before.stuck + group.stuck, max(before.oldest, now - group.oldest), verdicts)
    return table


def _by_owner(suspects: Suspects, owners: OwnerSearch, labels: Labels, most: int) -> Mapping[OwnerRow, int]:
    found: Counter[OwnerRow] = Counter()
    for (endpoint, state), group in suspects.groups.items():
        for (cgroup, holder), sockets in group.held.items():
            owner = owners.owner(cgroup, holder)
            found[OwnerRow(endpoint.role, labels.label(endpoint), state, owner.cgroup, owner.process)] += sockets
    told: Counter[OwnerRow] = Counter()
    for rank, (holding, sockets) in enumerate(sorted(found.items(), key=lambda item: (-item[1], item[0]))):
        told[holding if rank < most else holding._replace(cgroup=OTHER, process="")] += sockets
    return told
