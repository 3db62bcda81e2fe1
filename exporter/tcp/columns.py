"""Sockets that a source has decoded one by one, in the form of those that come as columns."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, islice
from typing import NamedTuple

from exporter.tcp.reading import Batch, Bulk, Watched
from exporter.tcp.roles import wire
from exporter.tcp.sockets import Origin, Socket
from exporter.tcp.states import COUNTED, WATCHED, State

BATCH = 1024
"""Sockets that are put into columns together."""

# state, timer, is_ipv6, whether the inode and the retransmissions are known, these, both ports, addresses, cookie, both
# queues, inode, pid
_KEY = struct.Struct("=BBBBBBHH32sQIIQI")


class Decoded(NamedTuple):
    """Some sockets; see ``reading.Rows``."""

    sockets: Sequence[Socket]

    def local_ports(self) -> Iterable[int]:
        return [wire(socket.local_port) for socket in self.sockets]

    def remote_ports(self, chosen: bytes) -> Iterable[int]:
        return (wire(socket.remote_port) for socket in compress(self.sockets, chosen))

    def port_pairs(self, chosen: bytes) -> Iterable[tuple[int, int]]:
        return ((socket.local_port, socket.remote_port) for socket in compress(self.sockets, chosen))

    def local_ends(self, chosen: bytes) -> Iterable[tuple[int, bytes]]:
        return ((wire(socket.local_port), socket.addresses[:16]) for socket in compress(self.sockets, chosen))

    def destinations(self, chosen: bytes) -> Iterable[bytes]:
        return (wire(socket.remote_port).to_bytes(2) + socket.addresses for socket in compress(self.sockets, chosen))

    def inodes(self) -> Iterable[int]:
        return (socket.inode or 0 for socket in self.sockets)

    def keys(self) -> Sequence[bytes]:
        return [_packed(socket) for socket in self.sockets]

    def origins(self, chosen: bytes) -> Iterable[Origin]:
        return (Origin() for _ in compress(self.sockets, chosen))


def batches(sockets: Iterable[Socket]) -> Iterator[Batch]:
    """All but the listening ones of *sockets*, by state."""
    left = iter(sockets)
    while some := list(islice(left, BATCH)):
        for state in COUNTED:
            if here := [socket for socket in some if socket.state is state]:
                yield Bulk(state, Decoded(here), len(here))
        if watched := [socket for socket in some if socket.state in WATCHED]:
            yield Watched(Decoded(watched))


def _packed(socket: Socket) -> bytes:
    return _KEY.pack(
        socket.state,
        socket.timer,
        socket.is_ipv6,
        socket.inode is not None,
        socket.retransmissions is not None,
        socket.retransmissions or 0,
        socket.local_port,
        socket.remote_port,
        socket.addresses,
        socket.cookie,
        socket.receive_queue,
        socket.send_queue,
        socket.inode or 0,
        socket.pid,
    )


def unpacked(key: bytes) -> Socket:
    """The socket that has one of the keys of ``Decoded``."""
    state, timer, is_ipv6, has_inode, has_sent, sent_again, local, remote, *rest = _KEY.unpack(key)
    addresses, cookie, received, sent, inode, pid = rest
    return Socket(
        State(state),
        local,
        remote,
        addresses,
        cookie,
        bool(is_ipv6),
        timer,
        received,
        sent,
        inode if has_inode else None,
        pid,
        sent_again if has_sent else None,
    )
