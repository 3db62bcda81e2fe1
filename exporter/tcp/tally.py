"""Sockets of one state, counted by role and port from columns of ports, with no Python object per socket.

The time of a sample is spent here. What runs per socket is one look-up in a list comprehension (``Roles.kinds``); all
else runs inside ``compress``, ``Counter`` and the methods of ``bytes`` and ``array``.
"""

from array import array
from collections import Counter
from collections.abc import Mapping

from exporter import masks
from exporter.tcp.reading import Columns
from exporter.tcp.roles import DIALLED, FIRST_LISTENING, UNDECIDED, Roles, wire
from exporter.tcp.sockets import PORTS, ROLES, Role, Service

Ports = dict[Role, Counter[int]]
"""Sockets by role, and then by port."""

_ONLY_DIALLED = frozenset({DIALLED})
_LOCAL_ADDRESS = slice(2, 18)
"""In a destination."""
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
        self._forgotten: Counter[bytes] = Counter()
        """Sockets of forgotten destinations by local address."""

    def add(self, columns: Columns, dialled: bytes) -> None:
        """Count those of *columns* that were *dialled*, a mask."""
        self._sockets.update(columns.destinations(dialled))
        if len(self._sockets) > 2 * self.MOST:
            self._forget()

    def count(self, sockets: Mapping[bytes, int]) -> None:
        """Take them as counted already."""
        self._sockets.update(sockets)
        if len(self._sockets) > 2 * self.MOST:
            self._forget()

    def _forget(self) -> None:
        """Whoever is busy is met again soon, so that he has been counted more than once, or will be."""
        before = self._sockets
        busy = {to: sockets for to, sockets in before.items() if sockets > 1}
        self._sockets = Counter(busy or dict(before.most_common(1)))
        if len(self._sockets) > self.MOST:
            self._sockets = Counter(dict(self._sockets.most_common(self.MOST)))
        self._forgotten.update(_by_local_address({to: before[to] for to in before.keys() - self._sockets.keys()}))

    @property
    def busiest(self) -> int:
        """Sockets of the destination that has most: exact for up to twice MOST destinations."""
        return max(self._sockets.values(), default=0)

    @property
    def busiest_address(self) -> int:
        """Sockets of the local address that has most."""
        return max((self._forgotten + _by_local_address(self._sockets)).values(), default=0)


def _by_local_address(sockets: Mapping[bytes, int]) -> Counter[bytes]:
    found: Counter[bytes] = Counter()
    for to, number in sockets.items():
        found[to[_LOCAL_ADDRESS]] += number
    return found


class LocalPorts:
    """Which local ports of the kernel's choice are in use on each local address; one may lead to many destinations."""

    ADDRESSES = 256
    """That are looked at, the first ones: each takes a bit for each port."""

    def __init__(self) -> None:
        self._used: dict[bytes, bytearray] = {}

    def add(self, columns: Columns, dialled: bytes) -> None:
        """Take those of *columns* that were *dialled*, a mask."""
        for port, address in columns.local_ends(dialled):
            used = self._used.get(address)
            if used is None and len(self._used) < self.ADDRESSES:
                used = self._used[address] = bytearray(PORTS // 8)
            if used is not None:
                used[port >> 3] |= 1 << (port & 7)

    @property
    def busiest_address(self) -> int:
        """Ports in use on the address that has most."""
        return max((int.from_bytes(used).bit_count() for used in self._used.values()), default=0)


def dialled(kinds: bytes) -> bytes | None:
    """The mask of the sockets that were dialled, by the *kinds* of their local ports; None if there is none."""
    return masks.where(kinds, _ONLY_DIALLED) if DIALLED in kinds else None
