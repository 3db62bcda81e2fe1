"""What one reading of the host's sockets gives: those that listen, and then batches of the others.

A source is read from; it is not handed functions to call.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from exporter.tcp.holders import AskHeld
from exporter.tcp.limits import Limits
from exporter.tcp.namespaces import OWN
from exporter.tcp.sockets import Listener, Origin, Role, Socket
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


class Lookups(Protocol):
    """Sockets that are looked at one by one, as the source has them."""

    def keys(self) -> Sequence[bytes]:
        """Each row without what changes by itself: a key that was there before is a socket that has not changed."""

    def origins(self, chosen: bytes) -> Iterable[Origin]:
        """What is told of a socket beside its row; *chosen* as in Columns."""


class Rows(Columns, Lookups, Protocol):
    """Sockets that are looked at one by one, and as columns."""


class Bulk(NamedTuple):
    """Sockets of one network namespace in one of COUNTED."""

    state: State
    columns: Columns
    sockets: int
    """How many they are."""
    netns: int = OWN


class Watched(NamedTuple):
    """Sockets of one network namespace in any of WATCHED.

    One that moves in the kernel's table while that is read can come twice.
    """

    rows: Rows
    are_mptcp: bool = False
    """Whether they are MPTCP connections, whose subflows count as the sockets that they are."""
    netns: int = OWN


class Kept(NamedTuple):
    """Sockets of any network namespaces in any of WATCHED, whose ports ``Counts`` have told already."""

    rows: Lookups


class Counts(NamedTuple):
    """What the source has counted by itself in one network namespace."""

    sockets: Mapping[tuple[State, Role, int], int]
    """By state, role and port, those in COUNTED."""
    netns: int = OWN
    destinations: Mapping[bytes, int] = {}
    """Of all sockets with a local port of the kernel's choice, as of ``Columns.destinations``."""
    ports_in_use: int | None = None
    """Local ports of the kernel's choice on the address that has most, or None where that was not asked for."""
    pairs: Mapping[tuple[int, int], int] | None = None
    """Sockets by local and remote port, of those whose local port is not known to be a service's; None where that was
    not asked for, or there are too many."""


class Missed(NamedTuple):
    """How exact a source that counts inside the kernel has been since it began, this reading included."""

    strays: int
    """Chains of sockets that were left unawares, with one that moved."""
    lost: int
    """Chains too long to be walked to their ends, and counts for which there was no room."""
    longest_seconds: float
    """For which it has held a processor at a time."""


Batch = Bulk | Watched | Kept | Counts | Missed


class Asked(NamedTuple):
    """What a reading is asked for beside the sockets."""

    now: float = 0.0
    """When it begins, on the monotonic clock."""
    silences: bool = False
    """How long those in SILENT are silent, if that takes a question."""
    services: Mapping[int, Collection[int]] = {}
    """By number of the network namespace, local ports that are services' although perhaps nobody listens there: for a
    source that counts by itself."""
    pairs: bool = False
    """Likewise, ``Counts.pairs``."""
    ports_in_use: bool = True
    """Likewise, ``Counts.ports_in_use``."""


NOTHING_BESIDES = Asked()


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
    shows_inodes: bool = True
    """Whether it shows the inodes of all sockets, so that what it does not show is in no table."""
    elsewhere: Mapping[int, Limits] = field(default_factory=dict)
    """By number, the other network namespaces that it covers, with what is known of their limits."""
    held: AskHeld | None = None
    """Who has which sockets, where the kernel lists that."""
    members: Callable[[], Mapping[int, Sequence[int]]] | None = None
    """Likewise, which processes are in each network namespace, by its inode. Raises what opening the reading raises."""
    namespaces_missed: int | None = None
    """Those that it does not cover although they are there; None where it is of our own only."""
