"""Which end of a connection is ours, told from its two ports.

A socket whose local port listens, or is known to be a service's, belongs to that service, and so does one whose local
port lies outside the ephemeral range while the remote one lies inside: its listener has just died. But who dials from a
reserved port, as NFS and RPC do, is no server. Every other socket was dialled from here, to the remote port.

Most sockets are told by their local port alone. ``Roles.kinds`` is that knowledge as a table of one byte a port, so
that a whole column of ports is looked up without a line of Python for each.
"""

import sys
from collections.abc import Iterable
from functools import lru_cache

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
    """The roles that follow from the ports of services, the busiest first, and the *ephemeral* range."""

    def __init__(self, listening: Iterable[int], ephemeral: range) -> None:
        self.ephemeral = ephemeral
        self._listening = tuple(dict.fromkeys(listening))
        self._services = {port: Service("server", port) for port in self._listening}
        self._table = self._kind_of_each_port()

    def _kind_of_each_port(self) -> bytes:
        """Indexed as the kernel's dumps hold ports: in network byte order, read as a native number."""
        kinds = bytearray(_unlistened(self.ephemeral.start, self.ephemeral.stop))
        for kind, port in enumerate(self._listening, FIRST_LISTENING):
            kinds[wire(port)] = kind if kind < _KINDS else UNDECIDED
        return bytes(kinds)

    @property
    def listening(self) -> frozenset[int]:
        """The ports of services."""
        return frozenset(self._listening)

    def kinds(self, local_ports: Iterable[int]) -> bytes:
        """The kind of each of the *local_ports*, which are in network byte order."""
        table = self._table
        return bytes([table[port] for port in local_ports])

    def listening_port(self, kind: int) -> int:
        """The port of a *kind* that is at least FIRST_LISTENING."""
        return self._listening[kind - FIRST_LISTENING]

    def service(self, local: int, remote: int) -> Service:
        """What the socket with these two ports is counted under."""
        if local in self._services:
            return self._services[local]
        if local not in self.ephemeral and local not in RESERVED and remote in self.ephemeral:
            return Service("server", local)
        return Service("client", remote)


def wire(port: int) -> int:
    """*port* in network byte order, read as a native number (htons); the same turns it back."""
    return int.from_bytes(port.to_bytes(2, "big"), sys.byteorder)


@lru_cache(maxsize=4)
def _unlistened(start: int, stop: int) -> bytes:
    """The table of kinds while nobody listens."""
    inside = stop - start
    by_port = bytes([UNDECIDED]) * start + bytes([DIALLED]) * inside + bytes([UNDECIDED]) * (PORTS - stop)
    if sys.byteorder == "big":
        return by_port
    # Swapping the two bytes of an index is transposing the table as a square of 256 by 256.
    return b"".join(by_port[low::256] for low in range(256))
