"""Local ports that are services' although nobody is known to have listened there: told from who shares them.

When the exporter starts after the service has died, or when the ephemeral range is so wide that services lie within it,
a socket's two ports do not tell which end is ours. But the ends of many connections do: those to a service share its
port, and each has another one at the client's side. So a local port that several sockets share is a service's, unless
as many share the remote ports that these have: they were dialled, and the kernel gave one local port to several that go
to different destinations (__inet_hash_connect in net/ipv4/inet_hashtables.c).
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping
from statistics import median

from exporter import masks
from exporter.tcp.reading import Columns
from exporter.tcp.roles import DIALLED, UNDECIDED

SHARED_BY = 3
"""Sockets that have to share a local port."""
FEW = 100
"""Ports that may be shared; where more are, it is the kernel that shares them out, and a service stands out."""
_STANDS_OUT = 4

_UNKNOWN = frozenset({DIALLED, UNDECIDED})


class SharedPorts:
    """Takes the sockets of one reading whose local port is not known to be a service's: four bytes for each."""

    def __init__(self) -> None:
        self._local, self._remote = array("H"), array("H")

    def add(self, columns: Columns, kinds: bytes) -> None:
        """See ``tally.Tally.add``."""
        for local, remote in columns.port_pairs(masks.where(kinds, _UNKNOWN)):
            self._local.append(local)
            self._remote.append(remote)

    def count(self, pairs: Mapping[tuple[int, int], int]) -> None:
        """Take so many sockets by local and remote port."""
        for (local, remote), sockets in pairs.items():
            self._local.extend([local] * sockets)
            self._remote.extend([remote] * sockets)

    def services(self) -> frozenset[int]:
        """The local ports that are services'."""
        local, remote = Counter(self._local), Counter(self._remote)
        shared = _shared(local)
        peers: defaultdict[int, set[int]] = defaultdict(set)
        for port, peer in zip(self._local, self._remote, strict=True) if shared else ():
            if port in shared and remote[peer] < local[port]:
                peers[port].add(peer)
        return frozenset(port for port, apart in peers.items() if len(apart) >= SHARED_BY)


def _shared(local: Mapping[int, int]) -> frozenset[int]:
    shared = {port: sockets for port, sockets in local.items() if sockets >= SHARED_BY}
    least = _STANDS_OUT * median(shared.values()) if len(shared) > FEW else SHARED_BY
    return frozenset(port for port, sockets in shared.items() if sockets >= least)
