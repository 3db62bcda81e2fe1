"""Sockets of one state, counted by endpoint from columns of ports, with no Python object per socket.

The time of a sample is spent here. What runs per socket is one look-up in a list comprehension; all else runs inside
``compress``, ``Counter`` and the methods of ``bytes``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

from exporter import masks
from exporter.tcp.roles import DIALLED, FIRST_LISTENING, UNDECIDED, Roles
from exporter.tcp.sockets import Service

DESTINATIONS = 4096
"""How many destinations a tally keeps apart; above twice that the less busy half is forgotten."""

_ONLY_DIALLED = frozenset({DIALLED})
_ONLY_UNDECIDED = frozenset({UNDECIDED})


class Columns(Protocol):
    """Sockets as columns: each method gives one value per socket, in the same order."""

    def local_ports(self) -> Iterable[int]:
        """Local ports, in network byte order read as native numbers."""

    def destinations(self, chosen: bytes) -> Iterator[bytes]:
        """Remote port (big-endian) and both addresses of the sockets whose byte in *chosen* is not 0."""

    def port_pairs(self, chosen: bytes) -> Iterator[tuple[int, int]]:
        """Local and remote port of the sockets whose byte in *chosen* is not 0."""


class Tally:
    """How many sockets each endpoint has, and each destination that was dialled."""

    def __init__(self, roles: Roles) -> None:
        self._roles = roles
        self._kinds: Counter[int] = Counter()
        self._others: Counter[Service] = Counter()
        self._destinations: Counter[bytes] = Counter()

    def add(self, columns: Columns) -> None:
        """Count the sockets of *columns*."""
        table = self._roles.kinds
        kinds = bytes([table[port] for port in columns.local_ports()])
        for kind in set(kinds):
            self._kinds[kind] += kinds.count(kind)
        if DIALLED in kinds:
            self._destinations.update(columns.destinations(masks.where(kinds, _ONLY_DIALLED)))
            self._bound()
        if UNDECIDED in kinds:
            pairs = columns.port_pairs(masks.where(kinds, _ONLY_UNDECIDED))
            self._others.update(self._roles.endpoint(*pair) for pair in pairs)

    def add_one(self, local: int, remote: int, destination: bytes) -> None:
        """Count one socket; *destination* as in ``Columns.destinations``."""
        if self._roles.dialled(local):
            self._destinations[destination] += 1
            self._bound()
        else:
            self._others[self._roles.endpoint(local, remote)] += 1

    def _bound(self) -> None:
        """Forget the less busy destinations once there are too many; their sockets stay counted by port."""
        if len(self._destinations) <= 2 * DESTINATIONS:
            return
        ranked = self._destinations.most_common()
        self._destinations = Counter(dict(ranked[:DESTINATIONS]))
        for destination, sockets in ranked[DESTINATIONS:]:
            self._others[_dialled_endpoint(destination)] += sockets

    def sockets(self) -> int:
        """All sockets counted."""
        return self._listening().total() + self._others.total() + self._destinations.total()

    def endpoints(self) -> Counter[Service]:
        """Sockets by endpoint."""
        counts = self._others + self._listening()
        for destination, sockets in self._destinations.items():
            counts[_dialled_endpoint(destination)] += sockets
        return counts

    def _listening(self) -> Counter[Service]:
        """Those told by their local port alone; the sockets of the other kinds are counted elsewhere too."""
        known = {kind: sockets for kind, sockets in self._kinds.items() if kind >= FIRST_LISTENING}
        return Counter({self._roles.service(kind): sockets for kind, sockets in known.items()})

    def destinations(self) -> Counter[bytes]:
        """Sockets with an ephemeral local port by destination: exact for up to twice DESTINATIONS of them."""
        return self._destinations


def _dialled_endpoint(destination: bytes) -> Service:
    return Service("client", int.from_bytes(destination[:2], "big"))
