"""Which ports get a label of their own.

A label makes some thirty series for as long as it lives, so there are at most ``PortRules.max`` of them per role, and
who has one keeps it while it has sockets and for some time beyond: series that come and go cannot be graphed, nor
alerted on. All other ports share the label ``other``.

Places go to the ports that the configuration names; then to those that have one; then to listening ports and ports
outside the ephemeral range, the busiest first; then to ports inside the range, where services live too, but so does
every port that a peer happened to dial from: a remote one has to be shared by some sockets to count as a service.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from heapq import nsmallest

from exporter.count.rules import PortRules
from exporter.tcp.roles import Roles
from exporter.tcp.sockets import OWN, ROLES, Listener, Role, Row, Service

OTHER = "other"
KEPT_SECONDS = 600
"""How long a port that has stopped listening still counts as a server's, and a label without sockets stays."""
SHARED_BY = 3
"""Sockets that make a remote port inside the ephemeral range a service."""
_REMEMBERED = 4096
"""Ports remembered as listening at most; a program that listens on one port after the other cannot fill the memory."""

Sockets = Mapping[Role, Mapping[int, int]]
"""By role and port."""


@dataclass(frozen=True)
class Labels:
    """The ports that have a label of their own, by role."""

    ports: Mapping[Role, frozenset[int]]

    def row(self, service: Service) -> Row:
        """What *service* is told under."""
        label = str(service.port) if service.port in self.ports[service.role] else OTHER
        return Row(service.netns, service.role, label)

    def rows(self) -> Iterator[Row]:
        """All that there are, in the order in which they are told."""
        for role in ROLES:
            yield from (Row(OWN, role, str(port)) for port in sorted(self.ports[role]))
            yield Row(OWN, role, OTHER)

    def folded(self, sockets: Sockets) -> Mapping[Role, int]:
        """How many of the ports that have *sockets* have no label."""
        return {role: len(sockets[role].keys() - self.ports[role]) for role in ROLES}


class PortBook:
    """Remembers which ports listened and which have labels. Times are in seconds on any monotonic clock."""

    def __init__(self, rules: PortRules) -> None:
        self._rules = rules
        self._listened: dict[int, float] = {}
        self._labelled: dict[Role, dict[int, float]] = {role: {} for role in ROLES}
        """By port, when it last deserved its label."""
        self._servers: Mapping[int, int] = {}
        """Sockets by local port."""

    def follow(self, rules: PortRules) -> None:
        """Give out labels by other *rules* from now on."""
        if rules != self._rules:
            self._rules = rules
            self._labelled = {role: {} for role in ROLES}

    def roles(self, listeners: Iterable[Listener], ephemeral: range, now: float) -> Roles:
        """The roles of the sockets that were read together with these *listeners*."""
        self._listened |= {listener.port: now for listener in listeners}
        recent = [port for port, seen in self._listened.items() if now - seen <= KEPT_SECONDS]
        latest = sorted(recent, key=self._listened.__getitem__)[-_REMEMBERED:]
        self._listened = {port: self._listened[port] for port in latest}
        known = self._listened.keys() | self._rules.server
        return Roles(sorted(known, key=lambda port: -self._servers.get(port, 0)), ephemeral)

    def assign(self, sockets: Sockets, ephemeral: range, now: float) -> Labels:
        """Give out the labels for a sample in which each port has so many *sockets*, listening ones included."""
        self._servers = sockets["server"]
        return Labels({role: self._assign(role, sockets[role], ephemeral, now) for role in ROLES})

    def _assign(self, role: Role, sockets: Mapping[int, int], ephemeral: range, now: float) -> frozenset[int]:
        named, before = self._named(role), self._labelled[role]
        places = max(0, self._rules.max - len(named))
        deserves = partial(self._deserves, role, sockets, ephemeral)
        kept = [port for port, seen in before.items() if deserves(port) or now - seen <= KEPT_SECONDS]
        new = (port for port in sockets if port not in before and deserves(port)) if len(kept) < places else ()
        busiest = nsmallest(places - len(kept), new, key=lambda port: (port in ephemeral, -sockets[port], port))
        holders = [*kept, *busiest][:places]
        self._labelled[role] = {port: now if deserves(port) else before[port] for port in holders}
        return named.union(holders)

    def _named(self, role: Role) -> frozenset[int]:
        return self._rules.server if role == "server" else self._rules.client or frozenset()

    def _deserves(self, role: Role, sockets: Mapping[int, int], ephemeral: range, port: int) -> bool:
        """Whether a port may have a label without being named."""
        chosen = self._rules.listening if role == "server" else self._rules.client is None
        if not chosen or port not in sockets or port in self._named(role):
            return False
        return role == "server" or port not in ephemeral or sockets[port] >= SHARED_BY
