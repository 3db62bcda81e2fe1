"""What a sample tells of stuck sockets: how many, how old, how they end, who has them, and which they are."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from typing import NamedTuple

from exporter.count.alike import Alike, Group, Hold, Listed
from exporter.count.exhaustion import Held
from exporter.count.labels import OTHER, Labels
from exporter.count.rules import StuckRules
from exporter.count.watched import WatchedSockets
from exporter.tcp.holders import Descriptors, Owner, Process, Whose, owner
from exporter.tcp.namespaces import OURS, OWN, Namespace
from exporter.tcp.sockets import Row, Service, Socket
from exporter.tcp.states import WATCHED, State
from exporter.tcp.verdicts import ACCEPT, Verdict

Owners = Mapping[Group, Owner]
"""Of the groups that have stuck sockets."""

HOLDINGS = 1000
"""Told at most; of a port scan from here every port has its own."""


@dataclass(frozen=True)
class WatchedCount:
    """The sockets of one row in one of WATCHED."""

    stuck: int = 0
    oldest_age: float = 0.0
    """In seconds; 0 if there is no socket."""
    verdicts: Mapping[Verdict, int] = field(default_factory=dict)
    stuck_verdicts: Mapping[Verdict, int] = field(default_factory=dict)
    """Of the stuck ones."""
    oldest_stuck_age: float = 0.0
    """In seconds; data may move on a socket that is older."""
    sockets: int = 0
    """All of them, connections of several subflows included."""


_NONE = WatchedCount()


class OwnerRow(NamedTuple):
    """Whose stuck sockets are told together."""

    row: Row
    state: State
    cgroup: str
    """``other`` for those that found no place."""
    process: str


class Holding(NamedTuple):
    """The stuck sockets that one owner has of one service in one state."""

    service: Service
    state: State
    owner: Owner
    sockets: int
    oldest_since: float
    """When the first of them came into the state, on the monotonic clock."""
    verdicts: Mapping[Verdict, int]


class StuckSocket(NamedTuple):
    """A stuck socket by itself."""

    socket: Socket
    service: Service
    since: float
    """When it came into its state, on the monotonic clock."""
    verdict: Verdict | None
    owner: Owner


@dataclass(frozen=True)
class Stuck:
    """What is known about the watched sockets."""

    watched: Mapping[Row, Mapping[State, WatchedCount]] = field(default_factory=dict)
    """By row, as the sockets of the census."""
    after: Mapping[State, float] = field(default_factory=dict)
    """The thresholds in force, in seconds."""
    tells_verdicts: bool = False
    """Whether the source tells how sockets end."""
    owners: Mapping[OwnerRow, int] | None = None
    """Stuck sockets by owner, most first; None if they are not told."""
    holdings: Sequence[Holding] = ()
    """Who has how many, the most first; at most HOLDINGS."""
    unaccepted: Mapping[Row, float] = field(default_factory=dict)
    """Age in seconds of the oldest connection that nobody has accepted and whose client has gone, if there is one."""
    listed: Sequence[StuckSocket] = ()
    """The oldest stuck sockets, one by one, the oldest first."""
    now: float = 0.0
    """When this was so, on the monotonic clock."""
    tracked: int = 0
    """Sockets whose ages are remembered."""
    names: Mapping[int, str] = field(default_factory=lambda: {OWN: ""})
    """Of the network namespaces that are told by name, by number; our own is empty."""

    @property
    def total(self) -> int:
        """All stuck sockets."""
        return sum(count.stuck for by_state in self.watched.values() for count in by_state.values())

    def netns(self, service: Service) -> str:
        """The name of its network namespace: ``other`` for those that are told together."""
        return self.names.get(service.netns, OTHER)

    def sockets(
        self, state: State | None = None, port: int | None = None, netns: str | None = None
    ) -> Iterator[StuckSocket]:
        """The listed ones; of one *state*, one *port* of the service and one network namespace, if these are given."""
        for one in self.listed:
            if state in {None, one.socket.state} and self._is_of(one.service, port, netns):
                yield one

    def held(self, state: State | None = None, port: int | None = None, netns: str | None = None) -> Iterator[Holding]:
        """The same of who holds how many."""
        for one in self.holdings:
            if state in {None, one.state} and self._is_of(one.service, port, netns):
                yield one

    def _is_of(self, service: Service, port: int | None, netns: str | None) -> bool:
        return port in {None, service.port} and netns in {None, self.netns(service)}

    def age(self, one: StuckSocket) -> float:
        """Seconds for which it has been in its state."""
        return self.now - one.since


class Tell(NamedTuple):
    """What is known beside the watched sockets when it is told of them."""

    now: float
    rules: StuckRules
    tells_verdicts: bool
    cgroups: Callable[[int], str]
    """Paths by number; empty if it is not known."""
    descriptors: Mapping[int, Descriptors] = {}
    """Of processes, by number, as far as they are known."""
    namespaces: Mapping[int, Namespace] = {OWN: OURS}
    """What is known of the network namespaces, by number."""
    namespaces_missed: int | None = None
    """As of a Reading."""
    netns_of: Mapping[int, str] = {}
    """The names of those that processes with closed sockets are in, by number of the process, as far as known."""


def owners(watched: WatchedSockets, tell: Tell) -> Owners:
    """Who owns the stuck sockets."""
    return {group: _owner(group.alike, watched, tell) for group in watched.groups if group.stuck}


def held(watched: WatchedSockets, owners: Owners, labels: Labels) -> Sequence[Held]:
    """The stuck sockets that take descriptors, by owner, who has most first; none of who only has others."""
    sockets: Counter[Whose] = Counter()
    holders: defaultdict[Whose, dict[Process, None]] = defaultdict(dict)
    for group, (cgroup, process, _) in owners.items():
        whose = Whose(cgroup, process, labels.row(group.alike.service).netns)
        sockets[whose] += group.stuck if group.alike.hold is Hold.HELD else 0
        holders[whose] |= dict.fromkeys(watched.holders.having(group.alike))
    return [Held(whose, number, tuple(holders[whose])) for whose, number in sockets.most_common()]


def told(watched: WatchedSockets, owners: Owners, labels: Labels, rows: Iterable[Row], tell: Tell) -> Stuck:
    """Put together what the groups of the *watched* sockets say, for these *rows*."""
    return Stuck(
        watched=_by_row(watched, labels, rows, tell.now),
        after=tell.rules.after,
        tells_verdicts=tell.tells_verdicts,
        owners=_by_owner(owners, labels, tell.rules.owners.max) if tell.rules.owners.enabled else None,
        holdings=_holdings(owners) if tell.rules.owners.enabled else (),
        unaccepted=_unaccepted(watched, labels, tell.now),
        listed=[_stuck_socket(listed, watched.group(listed), owners) for listed in watched.groups.listed],
        now=tell.now,
        tracked=len(watched),
        names=labels.names,
    )


def _owner(alike: Alike, watched: WatchedSockets, tell: Tell) -> Owner:
    cgroup_id, process = watched.holders.of(alike)
    return owner(tell.cgroups(cgroup_id), process)


def _stuck_socket(listed: Listed, group: Group, owners: Owners) -> StuckSocket:
    return StuckSocket(listed.socket, group.alike.service, listed.since, group.alike.verdict, owners[group])


def _by_row(
    watched: WatchedSockets, labels: Labels, rows: Iterable[Row], now: float
) -> Mapping[Row, Mapping[State, WatchedCount]]:
    """Put the groups of a row and state together."""
    together: defaultdict[tuple[Row, State], list[Group]] = defaultdict(list)
    for group in watched.groups:
        together[labels.row(group.alike.service), group.alike.state].append(group)
    table = {row: dict.fromkeys(WATCHED, _NONE) for row in rows}
    for (row, state), groups in together.items():
        table[row][state] = _counted(groups, now)
    return table


def _counted(groups: Sequence[Group], now: float) -> WatchedCount:
    verdicts, of_stuck = Counter[Verdict](), Counter[Verdict]()
    for group in groups:
        if group.alike.verdict:
            verdicts[group.alike.verdict] += group.present
            of_stuck[group.alike.verdict] += group.stuck
    oldest = min(group.oldest_since for group in groups)
    oldest_stuck = min((group.oldest_since for group in groups if group.stuck), default=now)
    stuck, sockets = sum(group.stuck for group in groups), sum(group.present for group in groups)
    return WatchedCount(stuck, now - oldest, verdicts, +of_stuck, now - oldest_stuck, sockets)


def _unaccepted(watched: WatchedSockets, labels: Labels, now: float) -> Mapping[Row, float]:
    oldest: dict[Row, float] = {}
    for group in watched.groups:
        if group.alike.verdict == ACCEPT:
            row = labels.row(group.alike.service)
            oldest[row] = max(oldest.get(row, 0.0), now - group.oldest_since)
    return oldest


def _holdings(owners: Owners) -> Sequence[Holding]:
    together: defaultdict[tuple[Service, State, Owner], list[Group]] = defaultdict(list)
    for group, held_by in owners.items():
        together[group.alike.service, group.alike.state, held_by].append(group)
    found = [_holding(*whose, groups) for whose, groups in together.items()]
    return nlargest(HOLDINGS, found, key=lambda holding: (holding.sockets, -holding.oldest_since))


def _holding(service: Service, state: State, held_by: Owner, groups: Sequence[Group]) -> Holding:
    verdicts: Counter[Verdict] = Counter()
    for group in groups:
        if group.alike.verdict:
            verdicts[group.alike.verdict] += group.stuck
    # Those of a group that are not stuck are younger than those that are.
    oldest = min(group.oldest_since for group in groups)
    return Holding(service, state, held_by, sum(group.stuck for group in groups), oldest, verdicts)


def _by_owner(owners: Owners, labels: Labels, most: int) -> Mapping[OwnerRow, int]:
    found: Counter[OwnerRow] = Counter()
    for group, held_by in owners.items():
        row = labels.row(group.alike.service)
        found[OwnerRow(row, group.alike.state, held_by.cgroup, held_by.process)] += group.stuck
    told: Counter[OwnerRow] = Counter()
    for rank, (owned, sockets) in enumerate(sorted(found.items(), key=lambda item: (-item[1], item[0]))):
        told[owned if rank < most else owned._replace(cgroup=OTHER, process="")] += sockets
    return told
