"""What one reading of a network namespace's sockets gives: its listening sockets, and then batches of the others.

A source is read from; it is not handed functions to call.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from exporter.tcp.sockets import Listener, Origin, Service, Socket
from exporter.tcp.states import State

Decode = Callable[[bytes], Socket]
"""Gives the socket that has a key; see ``Rows.keys``."""


class Columns(Protocol):
    """Sockets as columns: each method gives one value per socket, in the same order.

    What is *chosen* is a mask of a byte a socket: not 0 for those that are wanted.
    """

    def local_ports(self) -> Iterable[int]:
        """In network byte order, read as native numbers."""

    def remote_ports(self, chosen: bytes) -> Iterable[int]:
        """In network byte order, read as native numbers."""

    def port_pairs(self, chosen: bytes) -> Iterable[tuple[int, int]]:
        """Local and remote port, as numbers."""

    def local_ends(self, chosen: bytes) -> Iterable[tuple[int, bytes]]:
        """Local port, as of ``local_ports``, and local address."""

    def destinations(self, chosen: bytes) -> Iterable[bytes]:
        """Remote port, local and remote address, in 2+16+16 bytes: equal for sockets that compete for local ports."""

    def inodes(self) -> Iterable[int]:
        """Of the descriptors that hold the sockets; 0 where none does, or the source does not tell."""


class Rows(Columns, Protocol):
    """Sockets that are looked at one by one, as the source has them."""

    def keys(self) -> Sequence[bytes]:
        """Each row without what changes by itself: a key that was there before is a socket that has not changed."""

    def origins(self, chosen: bytes) -> Iterable[Origin]:
        """What is told of a socket beside its row."""


class Bulk(NamedTuple):
    """Sockets in one of COUNTED."""

    state: State
    columns: Columns
    sockets: int
    """How many they are."""


class Watched(NamedTuple):
    """Sockets in any of WATCHED. One that moves in the kernel's table while that is read can come twice."""

    rows: Rows
    are_mptcp: bool = False
    """Whether they are MPTCP connections, whose subflows count as the sockets that they are."""


class Counts(NamedTuple):
    """Sockets that the source has counted by itself."""

    sockets: Mapping[tuple[State, Service], int]


Batch = Bulk | Watched | Counts


@dataclass(frozen=True)
class Reading:
    """A reading under way; complete when all *batches* have been taken."""

    listeners: Sequence[Listener]
    """All that are listening."""
    batches: Iterator[Batch]
    """All other sockets. Taking them raises what opening the reading raises; what came before is void then."""
    socket: Decode
    """For the keys of this and of earlier readings."""
    tells_verdicts: bool = True
    """Whether its sockets have timers, queues and inodes, so that it can be told how they end."""
