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
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import compress, repeat
from typing import NamedTuple, TypeVar

from exporter import masks
from exporter.decode.netlink import Run
from exporter.errors import Malformed
from exporter.tcp import Listener, Socket, State

TCPDIAG_GETSOCK = 18
SOCK_DIAG_BY_FAMILY = 20
IPPROTO_TCP = 6

_MESSAGE_LENGTH = 88
_AT_STATE = 17
_AT_LOCAL_PORT = 20
_AT_DESTINATION = slice(22, 56)

# state, the two bytes of the local port, destination (remote port and both addresses), cookie
_FIELDS = struct.Struct("=17xB2xBB34s4xQ")
_PORTS = struct.Struct(">20xHH")
_QUEUES = struct.Struct("=72xII")

_STATES = {int(state): state for state in State}

Value = TypeVar("Value")


def legacy_request(states: int) -> bytes:
    """Struct inet_diag_req for TCPDIAG_GETSOCK: IPv4 and IPv6 sockets in the *states* of the bit set, in one walk."""
    return struct.pack("=4x48xII", states, 0)


def request(family: int, states: int) -> bytes:
    """Struct inet_diag_req_v2 for SOCK_DIAG_BY_FAMILY: sockets of one address *family*."""
    return struct.pack("=BBxxI48x", family, IPPROTO_TCP, states)


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
        # At least 512 KiB, and rounded up, so that one list of slices serves nearly all sizes.
        slices = _destination_slices(self.start, self.length, 1 << max(19, len(self.data).bit_length()))
        return map(self.data.__getitem__, compress(self._of_present(slices), chosen))

    def port_pairs(self, chosen: bytes) -> Iterator[tuple[int, int]]:
        """Local and remote port of the sockets whose byte in *chosen* is not 0."""
        return (_PORTS.unpack_from(self.data, at) for at in compress(self._places(), chosen))

    def sockets(self) -> list[Socket]:
        """All of them, one by one. A state that the kernel has and we do not know must not be lost: Malformed."""
        fields = map(_FIELDS.unpack_from, repeat(self.data), self._places())
        try:
            return [
                Socket(_STATES[state], high << 8 | low, destination[0] << 8 | destination[1], destination, cookie)
                for state, high, low, destination, cookie in fields
            ]
        except KeyError as unknown:
            raise Malformed(f"inet_diag: socket state {unknown.args[0]}, expected 1 to 11") from None

    def listeners(self) -> Iterator[Listener]:
        """Read as listening sockets, whose queue fields mean the accept queue and its limit."""
        for at in self._places():
            local, _ = _PORTS.unpack_from(self.data, at)
            yield Listener(local, *_QUEUES.unpack_from(self.data, at))

    @property
    def _state_column(self) -> bytes:
        return self.data[self.start + _AT_STATE :: self.length]

    def _places(self) -> Iterable[int]:
        return self._of_present(range(self.start, len(self.data), self.length))

    def _of_present(self, column: Iterable[Value]) -> Iterable[Value]:
        return column if self.present is None else compress(column, self.present)


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
