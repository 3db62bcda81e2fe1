"""Which local ports are services': those that listen, that did, that the configuration names, and that are shared.

A socket once counted under a service keeps that role for as long as it lives, also when nobody listens any more: a leak
must not dissolve into the ports of its peers. So a port stays a service's for as long as it has sockets, and for some
time beyond.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from exporter.tcp.namespaces import OWN
from exporter.tcp.roles import HostRoles, Roles
from exporter.tcp.sockets import Listener

KEPT_SECONDS = 600
"""How long a port that has stopped listening and has no sockets is still a service's."""
LOOK_SECONDS = 60
"""How often ports are looked for that sockets share although nobody is known to have listened there."""
REMEMBERED = 4096
"""Ports remembered at most; a program that listens on one port after the other cannot fill the memory."""


class Services:
    """Remembers those of one network namespace. Times are in seconds on any monotonic clock."""

    def __init__(self, netns: int = OWN) -> None:
        self._netns = netns
        self._seen: dict[int, float] = {}
        """When each port last listened or had sockets."""
        self._sockets: Mapping[int, int] = {}

    def known(self, now: float) -> Sequence[int]:
        """The ports that are services' at the time *now*."""
        recent = [port for port, seen in self._seen.items() if now - seen <= KEPT_SECONDS]
        latest = sorted(recent, key=self._seen.__getitem__)[-REMEMBERED:]
        self._seen = {port: self._seen[port] for port in latest}
        return latest

    def roles(self, listeners: Iterable[Listener], named: Collection[int], ephemeral: range, now: float) -> Roles:
        """The roles of the sockets that were read together with these *listeners*."""
        self._seen |= {listener.port: now for listener in listeners}
        known = {*self.known(now), *named}
        return Roles(sorted(known, key=lambda port: -self._sockets.get(port, 0)), ephemeral, self._netns)

    def note(self, sockets: Mapping[int, int], now: float) -> None:
        """Go by a sample in which each server's port has so many *sockets*."""
        self._sockets = sockets
        self._seen |= dict.fromkeys(self._seen.keys() & sockets.keys(), now)

    def learn(self, shared: Iterable[int], now: float) -> None:
        """Take the *shared* ports for services' from the next sample on."""
        self._seen |= dict.fromkeys(shared, now)


class HostServices:
    """The same of all network namespaces, by number."""

    def __init__(self) -> None:
        self._of: dict[int, Services] = {}
        self._looked: float | None = None

    def known(self, named: Collection[int], now: float) -> Mapping[int, Collection[int]]:
        """The ports that are services' by now; those that the configuration has *named* are so everywhere."""
        remembered = {netns: services.known(now) for netns, services in self._of.items()}
        self._of = {netns: services for netns, services in self._of.items() if remembered[netns]}
        return {OWN: {*named}} | {netns: {*ports, *named} for netns, ports in remembered.items()}

    def roles(
        self, listeners: Iterable[Listener], ephemeral: Mapping[int, range], named: Collection[int], now: float
    ) -> HostRoles:
        """See ``Services.roles``; of the namespaces that have an *ephemeral* range."""
        by_netns: defaultdict[int, list[Listener]] = defaultdict(list)
        for listener in listeners:
            by_netns[listener.netns].append(listener)
        return HostRoles(
            {netns: self.of(netns).roles(by_netns[netns], named, ports, now) for netns, ports in ephemeral.items()}
        )

    def of(self, netns: int) -> Services:
        """Those of one namespace."""
        return self._of.setdefault(netns, Services(netns))

    def is_looking(self, now: float) -> bool:
        """Whether the sample at *now* is to look for ports that are shared: the first is, and then one a minute."""
        return self._looked is None or now - self._looked >= LOOK_SECONDS

    def looked(self, now: float) -> None:
        """It has."""
        self._looked = now
