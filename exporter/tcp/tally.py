"""Sockets of one state, counted by role and port from columns of ports, with no Python object per socket.

The time of a sample is spent here. What runs per socket is one look-up in a list comprehension (``Roles.kinds``); all
else runs inside ``compress``, ``Counter`` and the methods of ``bytes`` and ``array``.
"""

from array import array
from collections import Counter

from exporter import masks
from exporter.tcp.reading import Columns
from exporter.tcp.roles import DIALLED, FIRST_LISTENING, UNDECIDED, Roles, wire
from exporter.tcp.sockets import ROLES, Role, Service

Ports = dict[Role, Counter[int]]
"""Sockets by role, and then by port."""

_ONLY_DIALLED = frozenset({DIALLED})
_ONLY_UNDECIDED = frozenset({UNDECIDED})


class Tally:
    """How many sockets each port has."""

    def __init__(self, roles: Roles) -> None:
        self._roles = roles
        self._kinds: Counter[int] = Counter()
        self._dialled = array("H")
        """The remote port of each socket that was dialled, in network byte order: two bytes for any of the 65,536
        ports, where a counter of them would take a hundred."""
        self._others: Ports = {role: Counter() for role in ROLES}

    def add(self, columns: Columns, kinds: bytes) -> None:
        """Count the sockets of *columns*, whose local ports are of these *kinds*."""
        for kind in set(kinds):
            self._kinds[kind] += kinds.count(kind)
        if DIALLED in kinds:
            self._dialled.extend(columns.remote_ports(masks.where(kinds, _ONLY_DIALLED)))
        if UNDECIDED in kinds:
            for local, remote in columns.port_pairs(masks.where(kinds, _ONLY_UNDECIDED)):
                self.count(self._roles.service(local, remote), 1)

    def count(self, service: Service, sockets: int) -> None:
        """Count so many *sockets* of *service*."""
        self._others[service.role][service.port] += sockets

    def ports(self) -> Ports:
        """Sockets by role and port."""
        counts = {role: Counter(ports) for role, ports in self._others.items()}
        for kind, sockets in self._kinds.items():
            if kind >= FIRST_LISTENING:
                counts["server"][self._roles.listening_port(kind)] += sockets
        for port, sockets in Counter(self._dialled).items():
            counts["client"][wire(port)] += sockets
        return counts


class Destinations:
    """How many sockets with a local port of the kernel's choice go to each destination, whatever their state."""

    MOST = 4096
    """How many are kept apart; above twice that, those seen once are forgotten, and the less busy if need be."""

    def __init__(self) -> None:
        self._sockets: Counter[bytes] = Counter()

    def add(self, columns: Columns, kinds: bytes) -> None:
        """Count those of *columns* that were dialled; the *kinds* are of their local ports."""
        if DIALLED in kinds:
            self._sockets.update(columns.destinations(masks.where(kinds, _ONLY_DIALLED)))
            if len(self._sockets) > 2 * self.MOST:
                self._forget()

    def _forget(self) -> None:
        """Whoever is busy is met again soon, so that he has been counted more than once, or will be."""
        busy = {to: sockets for to, sockets in self._sockets.items() if sockets > 1}
        self._sockets = Counter(busy or dict(self._sockets.most_common(1)))
        if len(self._sockets) > self.MOST:
            self._sockets = Counter(dict(self._sockets.most_common(self.MOST)))

    @property
    def busiest(self) -> int:
        """Sockets of the destination that has most: exact for up to twice MOST destinations."""
        return max(self._sockets.values(), default=0)
