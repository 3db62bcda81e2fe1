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
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress, repeat
from typing import NamedTuple, TypeVar

from exporter import masks
from exporter.decode.addresses import with_port
from exporter.decode.netlink import Run
from exporter.errors import Malformed
from exporter.tcp.sockets import Ends, Listener, Socket
from exporter.tcp.states import State

TCPDIAG_GETSOCK = 18
SOCK_DIAG_BY_FAMILY = 20
IPPROTO_TCP = 6

_MESSAGE_LENGTH = 88
_AT_STATE = 17
_AT_LOCAL_PORT = 20
_AT_DESTINATION = slice(22, 56)

# family, state, timer, the two bytes of the local port, destination (remote port and both addresses), cookie, receive
# queue, send queue, inode
_FIELDS = struct.Struct("=16xBBBxBB34s4xQ4xII4xI")
_PORTS = struct.Struct(">20xHH")
_LISTENER = struct.Struct("=72xII4xI")

_AF_INET6 = 10

# struct nlattr: nla_len (with this header), nla_type; attributes are padded to a multiple of 4 bytes. What is read of
# struct tcp_info (linux/tcp.h) is tcpi_last_ack_recv, in milliseconds.
_ATTRIBUTE = struct.Struct("=HH")
_INFO = 2
_CGROUP_ID = 21
_VALUES = {_INFO: struct.Struct("=HH56xI"), _CGROUP_ID: struct.Struct("=HHQ")}

_STATES = {int(state): state for state in State}

Value = TypeVar("Value")


INFO = 1 << (_INFO - 1)
"""Asks for struct tcp_info with each socket (idiag_ext)."""


def legacy_request(states: int, extensions: int = 0) -> bytes:
    """Struct inet_diag_req for TCPDIAG_GETSOCK: IPv4 and IPv6 sockets in the *states* of the bit set, in one walk."""
    return struct.pack("=3xB48xII", extensions, states, 0)


def request(family: int, states: int, extensions: int = 0) -> bytes:
    """Struct inet_diag_req_v2 for SOCK_DIAG_BY_FAMILY: sockets of one address *family*."""
    return struct.pack("=BBBxI48x", family, IPPROTO_TCP, extensions, states)


class Rows(NamedTuple):
    """Messages about sockets, as columns and one by one; the fields are those of ``netlink.Run``."""

    length: int
    data: bytes
    start: int = 0
    present: bytes | None = None

    @property
    def states(self) -> bytes:
        """One byte a socket."""
        return bytes(self._of_present(self._state_column))

    def having(self, states: frozenset[int]) -> "Rows":
        """The sockets that are in one of *states*."""
        mask = masks.where(self._state_column, states)
        return self._replace(present=mask if self.present is None else masks.both(mask, self.present))

    def local_ports(self) -> Iterable[int]:
        """In network byte order, read as native numbers."""
        return self._of_present(array("H", self.data)[(self.start + _AT_LOCAL_PORT) // 2 :: self.length // 2])

    def destinations(self, chosen: bytes) -> Iterator[bytes]:
        """Remote port (big-endian), local and remote address of the sockets whose byte in *chosen* is not 0."""
        # At least 256 KiB, and rounded up, so that one list of slices serves nearly all sizes.
        slices = _destination_slices(self.start, self.length, 1 << max(18, len(self.data).bit_length()))
        return map(self.data.__getitem__, compress(self._of_present(slices), chosen))

    def port_pairs(self, chosen: bytes) -> Iterator[tuple[int, int]]:
        """Local and remote port of the sockets whose byte in *chosen* is not 0."""
        return (_PORTS.unpack_from(self.data, at) for at in compress(self._places(), chosen))

    def sockets(self) -> list[Socket]:
        """All of them, one by one. A state that the kernel has and we do not know must not be lost: Malformed."""
        places = list(self._places())
        silences = (
            None if milliseconds is None else milliseconds / 1000 for milliseconds in self._values(_INFO, places)
        )
        cgroups = (cgroup or 0 for cgroup in self._values(_CGROUP_ID, places))
        fields = map(_FIELDS.unpack_from, repeat(self.data), places)
        try:
            return [_socket(*row) for row in zip(fields, silences, cgroups, strict=True)]
        except KeyError as unknown:
            raise Malformed(f"inet_diag: socket state {unknown.args[0]}, expected 1 to 11") from None

    def listeners(self) -> Iterator[Listener]:
        """Read as listening sockets, whose queue fields mean the accept queue and its limit."""
        places = list(self._places())
        for at, cgroup in zip(places, self._values(_CGROUP_ID, places), strict=True):
            local, _ = _PORTS.unpack_from(self.data, at)
            queued, backlog, inode = _LISTENER.unpack_from(self.data, at)
            yield Listener(local, queued, backlog, inode, cgroup or 0)

    def _values(self, kind: int, places: Sequence[int]) -> Iterable[int | None]:
        """Of the attribute of each message, None where it has none. Messages of one length have it in one place."""
        usual = _find(self.data, places[0], self._end(places[0]), kind) if places else None
        if usual is None:
            return repeat(None, len(places))
        form = _VALUES[kind]
        found = map(form.unpack_from, repeat(self.data), [at + usual for at in places])
        return (
            value if (of, length >= form.size) == (kind, True) else self._value(kind, at)
            for at, (length, of, value) in zip(places, found, strict=True)
        )

    def _value(self, kind: int, at: int) -> int | None:
        behind = _find(self.data, at, self._end(at), kind)
        return None if behind is None else int(_VALUES[kind].unpack_from(self.data, at + behind)[2])

    def _end(self, at: int) -> int:
        """Of the message that begins at *at*."""
        return at + self.length - self.start

    @property
    def _state_column(self) -> bytes:
        return self.data[self.start + _AT_STATE :: self.length]

    def _places(self) -> Iterable[int]:
        return self._of_present(range(self.start, len(self.data), self.length))

    def _of_present(self, column: Iterable[Value]) -> Iterable[Value]:
        return column if self.present is None else compress(column, self.present)


def _socket(
    fields: tuple[int, int, int, int, int, bytes, int, int, int, int], silence: float | None, cgroup: int
) -> Socket:
    family, state, timer, high, low, destination, cookie, received, sent, inode = fields
    return Socket(
        _STATES[state],
        high << 8 | low,
        destination[0] << 8 | destination[1],
        destination,
        cookie,
        family == _AF_INET6,
        timer,
        received,
        sent,
        inode,
        cgroup,
        silence,
    )


def ends(one: Socket) -> Ends:
    """Both ends of a socket from here, as text."""
    length = 16 if one.is_ipv6 else 4
    local, remote = one.destination[2 : 2 + length], one.destination[18 : 18 + length]
    return Ends(with_port(local, one.local_port), with_port(remote, one.remote_port))


def _find(data: bytes, at: int, end: int, kind: int) -> int | None:
    """Where, from the beginning of the message from *at* to *end*, the attribute stands, if it is there and whole."""
    place = at + _MESSAGE_LENGTH
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
    if run.length - run.start < _MESSAGE_LENGTH:
        raise Malformed(f"inet_diag: message of {run.length - run.start} bytes, expected at least {_MESSAGE_LENGTH}")
    return Rows(run.length, run.data, run.start, run.present)


@lru_cache(maxsize=4)
def _destination_slices(start: int, length: int, size: int) -> list[slice]:
    """Where the destinations stand in *size* bytes of messages."""
    first, last = _AT_DESTINATION.start, _AT_DESTINATION.stop
    return [slice(at + first, at + last) for at in range(start, size, length)]
