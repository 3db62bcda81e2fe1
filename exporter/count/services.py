"""Which local ports are services': those that listen, that did, that the configuration names, and that are shared.

A socket once counted under a service keeps that role for as long as it lives, also when nobody listens any more: a leak
must not dissolve into the ports of its peers. So a port stays a service's for as long as it has sockets, and for some
time beyond.
"""

from collections.abc import Collection, Iterable, Mapping

from exporter.tcp.roles import Roles
from exporter.tcp.sockets import Listener

KEPT_SECONDS = 600
"""How long a port that has stopped listening and has no sockets is still a service's."""
LOOK_SECONDS = 60
"""How often ports are looked for that sockets share although nobody is known to have listened there."""
REMEMBERED = 4096
"""Ports remembered at most; a program that listens on one port after the other cannot fill the memory."""


class Services:
    """Remembers them. Times are in seconds on any monotonic clock."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}
        """When each port last listened or had sockets."""
        self._sockets: Mapping[int, int] = {}
        self._looked: float | None = None

    def roles(self, listeners: Iterable[Listener], named: Collection[int], ephemeral: range, now: float) -> Roles:
        """The roles of the sockets that were read together with these *listeners*."""
        self._seen |= {listener.port: now for listener in listeners}
        recent = [port for port, seen in self._seen.items() if now - seen <= KEPT_SECONDS]
        latest = sorted(recent, key=self._seen.__getitem__)[-REMEMBERED:]
        self._seen = {port: self._seen[port] for port in latest}
        known = {*latest, *named}
        return Roles(sorted(known, key=lambda port: -self._sockets.get(port, 0)), ephemeral)

    def note(self, sockets: Mapping[int, int], now: float) -> None:
        """Go by a sample in which each server's port has so many *sockets*."""
        self._sockets = sockets
        self._seen |= dict.fromkeys(self._seen.keys() & sockets.keys(), now)

    def is_looking(self, now: float) -> bool:
        """Whether the sample at *now* is to look for ports that are shared: the first is, and then one a minute."""
        return self._looked is None or now - self._looked >= LOOK_SECONDS

    def learn(self, shared: Iterable[int], now: float) -> None:
        """Take the *shared* ports for services' from the next sample on."""
        self._looked = now
        self._seen |= dict.fromkeys(shared, now)
