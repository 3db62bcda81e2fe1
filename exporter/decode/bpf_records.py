"""What the program that counts inside the kernel tells (bpf/walk.bpf.c): struct walk, and the values of its maps.

A struct record describes a socket that is looked at by itself. Its first 64 bytes stay the same for as long as nothing
happens to the socket:

    offset  field                              offset  field
         0  inum (u32)                             16  sequence (u32)
         4  state (u8)                             20  received (u32)
         5  is_mptcp (u8)                          24  sent (u32)
         6  timer (u8), as idiag_timer             28  inode (u32)
         7  tries (u8), as idiag_retrans           32  local address (16 bytes)
         8  local port (u16), 10  remote (u16)     48  remote address (16 bytes)
        12  family (u16)

and the others need not:

    offset  field
        64  cgroup (u64)
        72  acknowledged, 76  last_sent, 80  last_received (u32): jiffies, 0 is never
        84  is_v6only (u32), of a listening socket

Numbers are the machine's own, ports among them but for that of a destination; our own network namespace stands there
by its inode, as all others do.
"""

import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import compress, islice
from typing import NamedTuple

from exporter.tcp.limits import Limits
from exporter.tcp.namespaces import OWN
from exporter.tcp.sockets import Listener, Origin, Role, Socket
from exporter.tcp.states import State

STATE = 128
"""Bytes of struct walk that are read."""
RECORD = 88
"""Bytes of a record."""
KEY = 64
"""Of these, those that stay the same."""
NAMESPACE = 16
PORT_BITS = (1 << 16) // 8
SERVICE, PAIR, ADDRESS, DESTINATION, LISTENER = 8, 8, 24, 40, 8
"""Bytes of the keys of the maps."""

_TOLD = struct.Struct("=6Q9I")
_ROWS = struct.Struct("=I")
_ROWS_AT = {"service": 64, "target": 68, "pair": 72, "address": 76, "bitmap": 80}
_KEY = struct.Struct("=IBBBBHHH2xIIII32s")
_ORIGIN = struct.Struct("=QIII")
_LISTENING = struct.Struct("=I4xH2xH6xIII16s16xQ12xI")
_NAMESPACE = struct.Struct("=IIHHI")
_SERVICE = struct.Struct("=IHBB")
_PAIR = struct.Struct("=IHH")
_ADDRESS = struct.Struct("=I4x16s")
_DESTINATION = struct.Struct("=I2x34s")
_LISTENER = struct.Struct("=II")

_AF_INET6 = 10
_STATES = {int(state): state for state in State}
_ROLES: Mapping[int, Role] = {0: "client", 1: "server"}

_HERTZ = (100, 250, 300, 1000)
"""What a kernel can be built with (kernel/Kconfig.hz)."""
_FIRST_SECONDS = 300
"""Jiffies begin so long before they have 33 bits (INITIAL_JIFFIES in include/linux/jiffies.h)."""
_DOUBT_SECONDS = 2.0
_HALF = 1 << 31

Netns = int
"""The inode of a network namespace, also of our own."""
Counted = tuple[State, Role, int]
"""State, role and port; as of ``Counts.sockets``."""


class Told(NamedTuple):
    """What a run has met, and where to go on (struct walk)."""

    now: int
    """When it began, in nanoseconds of the monotonic clock."""
    jiffies: int
    """The same."""
    nanoseconds: int
    """How long it took."""
    sockets: int
    strays: int
    """Chains that the walk has left unawares, with a socket that moved: some of their sockets are not counted."""
    lost: int
    """Chains that were too long, and counts without a row."""
    records: int
    skip: int
    """How many sockets of the bucket to go on with have been met already."""
    namespaces: int
    knows_timers: int
    services: int
    """Rows in use, as the following."""
    targets: int
    pairs: int
    addresses: int
    bitmaps: int


class NamespaceTold(NamedTuple):
    """A network namespace (struct namespace)."""

    inum: Netns
    limits: Limits
    has_own_table: bool
    """Whether its sockets stand in a table that it shares with no other."""


def told(content: bytes) -> Told:
    """Of struct walk."""
    return Told(*_TOLD.unpack_from(content))


def rows_at(table: str) -> slice:
    """Where struct walk says how many rows of a *table* are in use."""
    at = _ROWS_AT[table]
    return slice(at, at + _ROWS.size)


def rows(content: bytes) -> int:
    """What stands there."""
    return int(_ROWS.unpack(content)[0])


NO_ROWS = _ROWS.pack(0)


def counts(content: bytes) -> list[int]:
    """Of rows, end to end."""
    return memoryview(content).cast("Q").tolist()


def places(content: bytes) -> list[int]:
    """Of the map bitmap_of, whose values take 8 bytes each: which bitmap each row has, from 1 on, or 0 for none."""
    return counts(content)


def placed(places: Iterable[int]) -> bytes:
    """The same the other way round."""
    return array("Q", places).tobytes()


def namespaces(content: bytes) -> list[NamespaceTold]:
    """End to end; our own is the first."""
    return [
        NamespaceTold(inum, Limits({"time_wait_limit": limit}, range(low, high + 1)), bool(has_own))
        for inum, limit, low, high, has_own in _NAMESPACE.iter_unpack(content)
    ]


def services(content: bytes) -> list[tuple[Netns, Counted]]:
    """Keys end to end, as the following."""
    return [
        (inum, (_STATES[state], _ROLES[is_server], port))
        for inum, port, state, is_server in _SERVICE.iter_unpack(content)
    ]


def pairs(content: bytes) -> list[tuple[Netns, tuple[int, int]]]:
    """Local and remote port; or ALL_PAIRS."""
    return [(inum, (local, remote)) for inum, local, remote in _PAIR.iter_unpack(content)]


ALL_PAIRS = (0, 0)
"""Counts the pairs that a namespace has."""
MOST_PAIRS, MOST_PAIRS_ELSEWHERE = 8192, 1024
"""For how many there is room, in our own namespace and in each other one."""


def addresses(content: bytes) -> list[tuple[Netns, bytes]]:
    """The local ones, of 16 bytes."""
    return [(inum, address) for inum, address in _ADDRESS.iter_unpack(content)]


def destinations(content: bytes) -> list[tuple[Netns, bytes]]:
    """As of ``Columns.destinations``."""
    return [(inum, to) for inum, to in _DESTINATION.iter_unpack(content)]


def listener_keys(services: Iterable[tuple[Netns, int]]) -> bytes:
    """Of local ports that are to count as services', end to end."""
    return b"".join(_LISTENER.pack(inum, port) for inum, port in services)


def port_bits(ports: Iterable[int]) -> bytes:
    """A bit for each of all ports, those of *ports* being set."""
    bits = bytearray(PORT_BITS)
    for port in ports:
        bits[port >> 3] |= 1 << (port & 7)
    return bytes(bits)


def listeners(content: bytes, own: Netns) -> Iterator[Listener]:
    """Of the records of listening sockets; *own* is our own namespace."""
    for inum, port, family, queued, backlog, inode, address, cgroup, v6only in _LISTENING.iter_unpack(content):
        is_v6 = family == _AF_INET6
        netns = OWN if inum == own else inum
        is_v6only = bool(v6only) if is_v6 else None
        yield Listener(port, queued, backlog, inode, cgroup, address if is_v6 else address[:4], is_v6only, netns)


def socket(key: bytes, own: Netns) -> Socket:
    """The socket that has one of ``Rows.keys``; *own* as above."""
    inum, state, is_mptcp, timer, tries, local, remote, family, sequence, received, sent, inode, ends = _KEY.unpack(key)
    return Socket(
        _STATES[state],
        local,
        remote,
        ends,
        is_ipv6=family == _AF_INET6,
        timer=timer,
        receive_queue=received,
        send_queue=sent,
        inode=inode,
        retransmissions=tries,
        is_mptcp=bool(is_mptcp),
        netns=OWN if inum == own else inum,
        sequence=sequence,
    )


class Rows(NamedTuple):
    """Records end to end, as ``reading.Lookups``."""

    data: bytes
    jiffies: int
    """The moment that they are of, or one a little before."""
    nanoseconds: int
    """The same, of the monotonic clock."""

    def keys(self) -> Sequence[bytes]:
        """See ``reading.Lookups``."""
        return list(map(self.data.__getitem__, self._slices()))

    def origins(self, chosen: bytes) -> Iterator[Origin]:
        """See ``reading.Lookups``. All of it is always told."""
        each = hertz(self.jiffies, self.nanoseconds / 1e9)
        for at in compress(range(KEY, len(self.data), RECORD), chosen):
            cgroup, *moments = _ORIGIN.unpack_from(self.data, at)
            acknowledged, sent, received = (self._since(moment, each) for moment in moments)
            moved = [seconds for seconds in (sent, received) if seconds is not None]
            yield Origin(cgroup, acknowledged or 0.0, min(moved, default=None))

    def _since(self, moment: int, each: int | None) -> float | None:
        """Seconds; 0 if it is a moment after that of the rows. None for never, and where jiffies say nothing."""
        if not moment or each is None:
            return None
        past = (self.jiffies - moment) & (2 * _HALF - 1)
        return past / each if past < _HALF else 0.0

    def _slices(self) -> Iterable[slice]:
        size = 1 << max(18, len(self.data).bit_length())  # rounded up, so that one list serves nearly all sizes
        return islice(_slices(size), len(self.data) // RECORD)


@lru_cache(maxsize=4)
def _slices(size: int) -> list[slice]:
    """Where the keys stand in *size* bytes."""
    return [slice(at, at + KEY) for at in range(0, size, RECORD)]


def hertz(jiffies: int, seconds: float) -> int | None:
    """How many *jiffies* there are in a second, when the monotonic clock says *seconds*.

    None as long as that is not clear, as some minutes after the start, when it makes no difference to jiffies.
    """
    begun = 1 << 32
    fits = [each for each in _HERTZ if abs((jiffies - begun) / each + _FIRST_SECONDS - seconds) < _DOUBT_SECONDS]
    return fits[0] if len(fits) == 1 else None
