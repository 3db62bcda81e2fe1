"""struct inet_diag_msg (include/uapi/linux/inet_diag.h): the kernel's description of a socket.

The fields stand at fixed offsets behind the netlink header, and attributes behind them, so messages about the same
kind of socket have the same length:

    offset  field                  offset  field
        16  idiag_family (u8)          56  idiag_if (u32)
        17  idiag_state (u8)           60  idiag_cookie (u64)
        18  idiag_timer (u8)           68  idiag_expires (u32)
        19  idiag_retrans (u8)         72  idiag_rqueue (u32)
        20  idiag_sport (be16)         76  idiag_wqueue (u32)
        22  idiag_dport (be16)         80  idiag_uid (u32)
        24  idiag_src (16 bytes)       84  idiag_inode (u32)
        40  idiag_dst (16 bytes)       88  attributes
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress, islice, repeat
from typing import NamedTuple, TypeVar

from exporter import masks
from exporter.decode.netlink import Run
from exporter.errors import Malformed
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import Batch, Bulk, Watched
from exporter.tcp.sockets import Listener, Origin, Socket
from exporter.tcp.states import COUNTED, WATCHED, State

TCPDIAG_GETSOCK = 18
SOCK_DIAG_BY_FAMILY = 20
IPPROTO_TCP = 6
IPPROTO_MPTCP = 262

_MESSAGE = slice(16, 88)
_AT_STATE = 17
_AT_TIMER = 18
_AT_LOCAL_PORT = 20
_AT_REMOTE_PORT = 22
_AT_INODE = 84
_DESTINATION = slice(22, 56)
_EXPIRES = slice(52, 56)
"""Within _MESSAGE."""
_INTERFACE = slice(40, 44)
"""Likewise; in the key of a socket of another network namespace its number stands there, above those of interfaces."""
_FIRST_NAMESPACE = 1 << 31
_MPTCP = b"\xff" * 4
"""In the key of an MPTCP connection, in place of the time that its timer has left: it has none."""

# The fields of _MESSAGE that are of use: family, state, timer, retransmissions, both ports, both addresses, interface,
# cookie, receive queue, send queue, inode. Ports are big-endian, and read by themselves.
_FIELDS = struct.Struct("=BBBB4x32sIQ4xII4xI")
_PORTS = struct.Struct(">4xHH")
_LOCAL_END = struct.Struct("=4xH2x16s")
_LISTENER = struct.Struct("=B7x16s32xII4xI")

_AF_INET6 = 10

# struct nlattr: nla_len (with this header), nla_type; attributes are padded to a multiple of 4 bytes. What is read of
# struct tcp_info (linux/tcp.h) are tcpi_last_data_sent, tcpi_last_data_recv and tcpi_last_ack_recv, in milliseconds.
_ATTRIBUTE = struct.Struct("=HH")
_REQ_PROTOCOL = 3
_INFO = 2
_V6ONLY = 11
_CGROUP_ID = 21
_VALUES = {_INFO: struct.Struct("=HH44xI4xII"), _V6ONLY: struct.Struct("=HHB"), _CGROUP_ID: struct.Struct("=HHQ")}

_STATES = {int(state): state for state in State}
_ONLY = {state: frozenset({int(state)}) for state in COUNTED}
_ANY_WATCHED = frozenset(map(int, WATCHED))

Value = TypeVar("Value")


INFO = 1 << (_INFO - 1)
"""Asks for struct tcp_info with each socket (idiag_ext)."""


def legacy_request(states: int, extensions: int = 0) -> bytes:
    """Struct inet_diag_req for TCPDIAG_GETSOCK: IPv4 and IPv6 sockets in the *states* of the bit set, in one walk."""
    return struct.pack("=3xB48xII", extensions, states, 0)


def request(family: int, states: int, extensions: int = 0) -> bytes:
    """Struct inet_diag_req_v2 for SOCK_DIAG_BY_FAMILY: sockets of one address *family*."""
    return struct.pack("=BBBxI48x", family, IPPROTO_TCP, extensions, states)


def mptcp_request(family: int, states: int) -> bytes:
    """Struct inet_diag_req_v2 for MPTCP connections, whose protocol is an attribute, as it does not fit into a byte."""
    body = struct.pack("=BBBxI48x", family, IPPROTO_MPTCP & 0xFF, 0, states)
    return body + _ATTRIBUTE.pack(8, _REQ_PROTOCOL) + struct.pack("=I", IPPROTO_MPTCP)


class Rows(NamedTuple):
    """Messages about sockets, as columns and one by one; the fields are those of ``netlink.Run``."""

    length: int
    data: bytes
    start: int = 0
    present: bytes | None = None
    are_mptcp: bool = False
    """Whether they are about MPTCP connections, of which the messages themselves do not speak."""
    netns: int = OWN
    """Of which they do not speak either."""

    @property
    def states(self) -> bytes:
        """One byte a socket."""
        return bytes(self._of_present(self._column(_AT_STATE)))

    def having(self, states: frozenset[int]) -> "Rows":
        """The sockets that are in one of *states*."""
        mask = masks.where(self._column(_AT_STATE), states)
        return self._replace(present=mask if self.present is None else masks.both(mask, self.present))

    def local_ports(self) -> Iterable[int]:
        """See ``reading.Columns``."""
        return self._of_present(self._ports(_AT_LOCAL_PORT))

    def remote_ports(self, chosen: bytes) -> Iterable[int]:
        """See ``reading.Columns``."""
        return compress(self._of_present(self._ports(_AT_REMOTE_PORT)), chosen)

    def destinations(self, chosen: bytes) -> Iterator[bytes]:
        """See ``reading.Columns``: remote port and both addresses as they stand in the messages."""
        return map(self.data.__getitem__, compress(self._slices(_DESTINATION), chosen))

    def inodes(self) -> Iterable[int]:
        """See ``reading.Columns``."""
        return self._of_present(array("I", self.data)[(self.start + _AT_INODE) // 4 :: self.length // 4])

    def port_pairs(self, chosen: bytes) -> Iterator[tuple[int, int]]:
        """See ``reading.Columns``."""
        behind = _MESSAGE.start
        return (_PORTS.unpack_from(self.data, at + behind) for at in compress(self._places(), chosen))

    def local_ends(self, chosen: bytes) -> Iterator[tuple[int, bytes]]:
        """See ``reading.Columns``."""
        behind = _MESSAGE.start
        return (_LOCAL_END.unpack_from(self.data, at + behind) for at in compress(self._places(), chosen))

    def keys(self) -> list[bytes]:
        """See ``reading.Rows``: the message without header, attributes, and the time that a timer has left.

        What the attributes tell that anybody asks for stays the same for the whole life of a socket, but for its
        silence, which is of use at first sight only.
        """
        keys = list(map(self.data.__getitem__, self._slices(_MESSAGE)))
        if self.netns != OWN:
            number = self.netns.to_bytes(4, sys.byteorder)
            keys = [key[: _INTERFACE.start] + number + key[_INTERFACE.stop :] for key in keys]
        if self.are_mptcp:
            return [key[: _EXPIRES.start] + _MPTCP + key[_EXPIRES.stop :] for key in keys]
        for at in compress(range(len(keys)), self._of_present(self._column(_AT_TIMER))):
            keys[at] = keys[at][: _EXPIRES.start] + bytes(4) + keys[at][_EXPIRES.stop :]
        return keys

    def origins(self, chosen: bytes) -> Iterator[Origin]:
        """See ``reading.Rows``."""
        places = list(compress(self._places(), chosen))
        for cgroup, info in zip(self._values(_CGROUP_ID, places), self._values(_INFO, places), strict=True):
            cgroup_id = cgroup[0] if cgroup else 0
            if info is None:
                yield Origin(cgroup_id)
            else:
                sent, received, acknowledged = info
                yield Origin(cgroup_id, acknowledged / 1000, min(sent, received) / 1000)

    def listeners(self) -> Iterator[Listener]:
        """Read as listening sockets, whose queue fields mean the accept queue and its limit."""
        places = list(self._places())
        told = zip(places, self._values(_CGROUP_ID, places), self._values(_V6ONLY, places), strict=True)
        for at, cgroup, v6only in told:
            local, _ = _PORTS.unpack_from(self.data, at + _MESSAGE.start)
            family, address, queued, backlog, inode = _LISTENER.unpack_from(self.data, at + _MESSAGE.start)
            address = address if family == _AF_INET6 else address[:4]
            is_v6only = bool(v6only[0]) if v6only else None
            yield Listener(local, queued, backlog, inode, cgroup[0] if cgroup else 0, address, is_v6only)

    def _values(self, kind: int, places: Sequence[int]) -> Iterable[Sequence[int] | None]:
        """Of the attribute of each message, None where it has none. Messages of one length have it in one place."""
        usual = _find(self.data, places[0], self._end(places[0]), kind) if places else None
        if usual is None:
            return repeat(None, len(places))
        form = _VALUES[kind]
        found = map(form.unpack_from, repeat(self.data), [at + usual for at in places])
        return (
            values if (of, length >= form.size) == (kind, True) else self._values_of(kind, at)
            for at, (length, of, *values) in zip(places, found, strict=True)
        )

    def _values_of(self, kind: int, at: int) -> Sequence[int] | None:
        behind = _find(self.data, at, self._end(at), kind)
        return None if behind is None else _VALUES[kind].unpack_from(self.data, at + behind)[2:]

    def _end(self, at: int) -> int:
        """Of the message that begins at *at*."""
        return at + self.length - self.start

    def _column(self, at: int) -> bytes:
        """The byte at *at* of every place, present or not."""
        return self.data[self.start + at :: self.length]

    def _ports(self, at: int) -> "array[int]":
        return array("H", self.data)[(self.start + at) // 2 :: self.length // 2]

    def _places(self) -> Iterable[int]:
        return self._of_present(range(self.start, len(self.data), self.length))

    def _slices(self, of: slice) -> Iterable[slice]:
        # At least 256 KiB, and rounded up, so that one list of slices serves nearly all sizes.
        size = 1 << max(18, len(self.data).bit_length())
        behind = slice(self.start + of.start, self.start + of.stop)
        places = (len(self.data) - self.start + self.length - 1) // self.length
        return self._of_present(islice(_slices(behind.start, behind.stop, self.length, size), places))

    def _of_present(self, column: Iterable[Value]) -> Iterable[Value]:
        return column if self.present is None else compress(column, self.present)


def socket(key: bytes) -> Socket:
    """The socket that has one of ``Rows.keys``."""
    family, state, timer, again, addresses, interface, cookie, received, sent, inode = _FIELDS.unpack(key)
    local, remote = _PORTS.unpack_from(key)
    return Socket(
        _STATES[state],
        local,
        remote,
        addresses,
        cookie,
        family == _AF_INET6,
        timer,
        received,
        sent,
        inode,
        retransmissions=again,
        is_mptcp=key[_EXPIRES] == _MPTCP,
        netns=interface if interface >= _FIRST_NAMESPACE else OWN,
    )


def batches(rows: Rows) -> Iterator[Batch]:
    """The sockets of *rows* by state. A state that the kernel has and we do not know must not be lost: Malformed."""
    states = rows.states
    left = len(states)
    for state, only in _ONLY.items():
        here = states.count(state)
        if here:
            yield Bulk(state, rows if here == len(states) else rows.having(only), here)
            left -= here
    if left:
        watched = rows.having(_ANY_WATCHED)
        if len(watched.states) < left:
            raise Malformed(f"inet_diag: socket states {sorted(set(states))}, expected 1 to 11 without 10")
        yield Watched(watched)


def _find(data: bytes, at: int, end: int, kind: int) -> int | None:
    """Where, from the beginning of the message from *at* to *end*, the attribute stands, if it is there and whole."""
    place = at + _MESSAGE.stop
    while place + _ATTRIBUTE.size <= end:
        length, of = _ATTRIBUTE.unpack_from(data, place)
        if of == kind:
            return place - at if _VALUES[kind].size <= min(length, end - place) else None
        place += max(_ATTRIBUTE.size, length + 3 & ~3)
    return None


def rows(run: Run) -> Rows:
    """Raises Malformed if the messages of *run* do not describe sockets."""
    if run.type not in {TCPDIAG_GETSOCK, SOCK_DIAG_BY_FAMILY}:
        raise Malformed(f"inet_diag: message type {run.type}, expected 18 or 20")
    if run.length - run.start < _MESSAGE.stop:
        raise Malformed(f"inet_diag: message of {run.length - run.start} bytes, expected at least {_MESSAGE.stop}")
    return Rows(run.length, run.data, run.start, run.present)


@lru_cache(maxsize=8)
def _slices(start: int, stop: int, length: int, size: int) -> list[slice]:
    """Where what stands from *start* to *stop* of the first message stands in *size* bytes of messages."""
    return [slice(at, at + stop - start) for at in range(start, size, length)]
