"""Which end of a connection is ours, told from its two ports.

A socket whose local port listens, or is known to be a service's, belongs to that service, and so does one whose local
port lies outside the ephemeral range while the remote one lies inside: its listener has just died. But who dials from a
reserved port, as NFS and RPC do, is no server. Every other socket was dialled from here, to the remote port.

Most sockets are told by their local port alone. ``Roles.kinds`` is that knowledge as a table of one byte a port, so
that a whole column of ports is looked up without a line of Python for each.
"""

import sys
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache

from exporter.tcp.limits import DEFAULT_EPHEMERAL
from exporter.tcp.namespaces import OWN
from exporter.tcp.sockets import PORTS, Service

DIALLED = 0
"""The port is ephemeral and nobody listens there: the socket is a client's."""
UNDECIDED = 1
"""The remote port has to be looked at too, or there are more listening ports than kinds."""
FIRST_LISTENING = 2
_KINDS = 256

RESERVED = range(512, 1024)
"""Local ports that a privileged program may dial from to prove that it is one: bindresvport(3), rresvport(3)."""


class Roles:
    """The roles that follow from the ports of services, the busiest first, and the *ephemeral* range of a namespace."""

    def __init__(self, listening: Iterable[int], ephemeral: range, netns: int = OWN) -> None:
        self.ephemeral, self._netns = ephemeral, netns
        self._listening = tuple(dict.fromkeys(listening))
        self._services = {port: Service("server", port, netns) for port in self._listening}

    @cached_property
    def listening(self) -> frozenset[int]:
        """The ports of services."""
        return frozenset(self._listening)

    def kinds(self, local_ports: Iterable[int]) -> bytes:
        """The kind of each of the *local_ports*, which are in network byte order."""
        table = _table(self._listening, self.ephemeral)
        return bytes([table[port] for port in local_ports])

    def listening_port(self, kind: int) -> int:
        """The port of a *kind* that is at least FIRST_LISTENING."""
        return self._listening[kind - FIRST_LISTENING]

    def service(self, local: int, remote: int) -> Service:
        """What the socket with these two ports is counted under."""
        if local in self._services:
            return self._services[local]
        if local not in self.ephemeral and local not in RESERVED and remote in self.ephemeral:
            return Service("server", local, self._netns)
        return Service("client", remote, self._netns)


class HostRoles:
    """The roles in each network namespace, by its number."""

    def __init__(self, known: Mapping[int, Roles]) -> None:
        self._known = dict(known)

    def of(self, netns: int) -> Roles:
        """Those in one of them; of one that came while the tables were read, no service is known."""
        found = self._known.get(netns)
        if found is None:
            found = self._known[netns] = Roles((), DEFAULT_EPHEMERAL, netns)
        return found

    def follow(self, earlier: "HostRoles") -> tuple[frozenset[int], bool]:
        """Which local ports have begun or ceased to be a service's in any, and whether any ephemeral range changed."""
        ports: set[int] = set()
        is_other_range = False
        for netns, roles in self._known.items():
            before = earlier._known.get(netns, roles)  # noqa: SLF001 - one of us
            ports |= before.listening ^ roles.listening
            is_other_range |= before.ephemeral != roles.ephemeral
        return frozenset(ports), is_other_range


def wire(port: int) -> int:
    """*port* in network byte order, read as a native number (htons); the same turns it back."""
    return int.from_bytes(port.to_bytes(2, "big"), sys.byteorder)


@lru_cache(maxsize=4)
def _table(listening: tuple[int, ...], ephemeral: range) -> bytes:
    """The kinds, indexed as the kernel's dumps hold ports: in network byte order, read as a native number.

    It takes 64 KiB, and there may be thousands of namespaces, of which one is read after the other.
    """
    kinds = bytearray(_unlistened(ephemeral.start, ephemeral.stop))
    for kind, port in enumerate(listening, FIRST_LISTENING):
        kinds[wire(port)] = kind if kind < _KINDS else UNDECIDED
    return bytes(kinds)


@lru_cache(maxsize=4)
def _unlistened(start: int, stop: int) -> bytes:
    """The table of kinds while nobody listens."""
    inside = stop - start
    by_port = bytes([UNDECIDED]) * start + bytes([DIALLED]) * inside + bytes([UNDECIDED]) * (PORTS - stop)
    if sys.byteorder == "big":
        return by_port
    # Swapping the two bytes of an index is transposing the table as a square of 256 by 256.
    return b"".join(by_port[low::256] for low in range(256))
