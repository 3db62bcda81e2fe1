"""What the sockets of a host are told under: which network namespaces are told by name, and which of their ports.

Our own namespace always is. Of the others there are at most ``NamespaceRules.max``: who has a place keeps it until it
has had no sockets for some time, or until one wants it that has stuck sockets when it has none. All others are told
together, under the name ``other``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.count.ports import KEPT_SECONDS, PortBook, PortLabels, Sockets, Traffic
from exporter.count.rules import NamespaceRules, PortRules
from exporter.tcp.limits import DEFAULT_EPHEMERAL
from exporter.tcp.namespaces import OWN
from exporter.tcp.sockets import ROLES, Role, Row, Service

OTHER = "other"


@dataclass(frozen=True)
class Labels:
    """Who has a label of its own."""

    ports: Mapping[int, PortLabels]
    """By number of the network namespaces that are told by name."""
    names: Mapping[int, str]

    def row(self, service: Service) -> Row:
        """What *service* is told under."""
        ports = self.ports.get(service.netns)
        if ports is None:
            return Row(OTHER, service.role, OTHER)
        label = str(service.port) if service.port in ports[service.role] else OTHER
        return Row(self.names[service.netns], service.role, label)

    def rows(self, netns: int) -> Iterator[tuple[Service | None, Row]]:
        """Those of one namespace, each with its service if it has one, in the order in which they are told."""
        name = self.names.get(netns, OTHER)
        for role in ROLES:
            for port in sorted(self.ports[netns][role]) if netns in self.ports else ():
                yield Service(role, port, netns), Row(name, role, str(port))
            yield None, Row(name, role, OTHER)

    def folded(self, netns: int, sockets: Sockets) -> Mapping[Role, int]:
        """How many of the namespace's ports that have *sockets* have no label."""
        ports = self.ports.get(netns)
        return {role: len(sockets[role].keys() - (ports[role] if ports else frozenset())) for role in ROLES}


class Book:
    """Remembers who has one. Times are in seconds on any monotonic clock."""

    def __init__(self, ports: PortRules, namespaces: NamespaceRules) -> None:
        self._ports, self._namespaces = ports, namespaces
        self._books = {OWN: PortBook(ports)}
        self._seen = {OWN: 0.0}
        """When each namespace that has a place last had sockets."""

    def follow(self, ports: PortRules, namespaces: NamespaceRules) -> None:
        """Give out labels by other rules from now on."""
        if namespaces != self._namespaces:
            self._books, self._seen = {OWN: self._books[OWN]}, {OWN: 0.0}
        self._ports, self._namespaces = ports, namespaces
        for netns, book in self._books.items():
            book.follow(self._of(netns))

    def _of(self, netns: int) -> PortRules:
        """The rules for the ports of one namespace."""
        if netns == OWN:
            return self._ports
        most, client = self._namespaces.ports, self._ports.client
        return PortRules(
            self._ports.listening,
            _first(self._ports.server, most),
            client if client is None else _first(client, most),
            max=most,
        )

    def assign(
        self, traffic: Mapping[int, Traffic], ephemeral: Mapping[int, range], names: Mapping[int, str], now: float
    ) -> Labels:
        """Give out the labels for a sample: *traffic*, ephemeral ports and names are by number of the namespace."""
        self._settle(traffic, now)
        told = {
            netns: self._assign(netns, one, ephemeral.get(netns, DEFAULT_EPHEMERAL), now)
            for netns, one in traffic.items()
            if netns in self._seen
        }
        return Labels(told, {netns: names.get(netns, str(netns)) for netns in told} | {OWN: ""})

    def _assign(self, netns: int, traffic: Traffic, ephemeral: range, now: float) -> PortLabels:
        book = self._books.get(netns)
        if book is None:
            book = self._books[netns] = PortBook(self._of(netns))
        return book.assign(traffic, ephemeral, now)

    def _settle(self, traffic: Mapping[int, Traffic], now: float) -> None:
        """Decide who has a place."""
        self._seen |= {netns: now for netns, one in traffic.items() if netns in self._seen and one.total}
        gone = [netns for netns, seen in self._seen.items() if netns != OWN and now - seen > KEPT_SECONDS]
        for netns in gone:
            self._leave(netns)
        for netns in self._wanting(traffic):
            if len(self._seen) > self._namespaces.max and not self._make_place(netns, traffic):
                break
            self._seen[netns] = now

    def _wanting(self, traffic: Mapping[int, Traffic]) -> Sequence[int]:
        """Those without a place, the first ones first: who has stuck sockets, and then who has most."""
        found = [netns for netns, one in traffic.items() if netns not in self._seen and one.total]
        return sorted(found, key=lambda netns: (not traffic[netns].is_any_stuck, -traffic[netns].total, netns))

    def _make_place(self, netns: int, traffic: Mapping[int, Traffic]) -> bool:
        """If it has something stuck, take the place of one that has nothing: of who is gone, or has fewest sockets."""
        others = [one for one in self._seen if one != OWN and not (one in traffic and traffic[one].is_any_stuck)]
        if not others or not traffic[netns].is_any_stuck:
            return False
        self._leave(min(others, key=lambda one: traffic[one].total if one in traffic else 0))
        return True

    def _leave(self, netns: int) -> None:
        del self._seen[netns]
        self._books.pop(netns, None)


def _first(named: frozenset[int], most: int) -> frozenset[int]:
    return frozenset(sorted(named)[:most])
