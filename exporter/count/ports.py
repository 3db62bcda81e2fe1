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

from exporter.count.rules import PortRules
from exporter.tcp.roles import Roles
from exporter.tcp.sockets import ROLES, Listener, Role, Service

OTHER = "other"
KEPT_SECONDS = 600
"""How long a port that has stopped listening still counts as a server's, and a label without sockets stays."""
SHARED_BY = 3
"""Sockets that make a remote port inside the ephemeral range a service."""
_REMEMBERED = 4096
"""Ports remembered as listening at most; a program that listens on one port after the other cannot fill the memory."""


@dataclass(frozen=True)
class Labels:
    """The ports that have a label of their own, by role."""

    ports: Mapping[Role, frozenset[int]]

    def label(self, endpoint: Service) -> str:
        """The value of the label ``port`` that *endpoint* is counted under."""
        return str(endpoint.port) if endpoint.port in self.ports[endpoint.role] else OTHER

    def all(self) -> Iterator[tuple[Role, str]]:
        """Every role and label that there is, ``other`` included."""
        for role in ROLES:
            yield from ((role, str(port)) for port in sorted(self.ports[role]))
            yield role, OTHER


class PortBook:
    """Remembers which ports listened and which have labels. Times are in seconds on any monotonic clock."""

    def __init__(self, rules: PortRules) -> None:
        self._rules = rules
        self._listened: dict[int, float] = {}
        self._labelled: dict[Role, dict[int, float]] = {role: {} for role in ROLES}
        """By port, when it last deserved its label."""
        self._counts: Mapping[Service, int] = {}

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
        return Roles(sorted(known, key=lambda port: -self._counts.get(Service("server", port), 0)), ephemeral)

    def assign(self, counts: Mapping[Service, int], ephemeral: range, now: float) -> Labels:
        """Give out the labels for a sample in which each endpoint has so many sockets, listening ones included."""
        self._counts = counts
        return Labels({role: self._assign(role, ephemeral, now) for role in ROLES})

    def _assign(self, role: Role, ephemeral: range, now: float) -> frozenset[int]:
        named = self._named(role)
        before = self._labelled[role]
        deserving = self._deserving(role, ephemeral)
        kept = [port for port, seen in before.items() if port in deserving or now - seen <= KEPT_SECONDS]
        new = sorted(deserving.keys() - set(kept), key=lambda port: (port in ephemeral, -deserving[port], port))
        holders = [*kept, *new][: max(0, self._rules.max - len(named))]
        self._labelled[role] = {port: now if port in deserving else before[port] for port in holders}
        return named.union(holders)

    def _named(self, role: Role) -> frozenset[int]:
        return self._rules.server if role == "server" else self._rules.client or frozenset()

    def _deserving(self, role: Role, ephemeral: range) -> dict[int, int]:
        """The sockets of each port that may have a label without being named."""
        if not (self._rules.listening if role == "server" else self._rules.client is None):
            return {}
        named = self._named(role)
        return {
            port: sockets
            for (of, port), sockets in self._counts.items()
            if of == role and port not in named and (role == "server" or port not in ephemeral or sockets >= SHARED_BY)
        }
