"""Sockets through NETLINK_SOCK_DIAG, the interface behind ss(8). No privileges are needed.

The legacy request walks the kernel's table once for IPv4 and IPv6 together; where a kernel refuses it, one modern
request for each family does the same in twice the walks. Listening sockets stand in a table of their own and come
first, because the roles follow from them; everything else comes in one walk. TIME_WAIT sockets are described in
shorter messages than the rest, and messages of two lengths in turn take longer to count than a second walk does once
there are many of them: then they get one. MPTCP connections come last, from a small dump of their own.
"""

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from exporter.decode import inet_diag, netlink
from exporter.decode.inet_diag import Rows
from exporter.errors import KernelRefused, Malformed, ReadFailed, SourceUnavailable, TimedOut, Truncated
from exporter.tcp.reading import NOTHING_BESIDES, Asked, Batch, Bulk, Reading, Watched
from exporter.tcp.sockets import Listener
from exporter.tcp.states import COUNTED, SILENT, State

NETLINK_SOCK_DIAG = 4
TIMEOUT_SECONDS = 10
"""How long the kernel may take for the next datagram. It answers within a millisecond, or never."""

MAX_DATAGRAM = 1 << 16
"""Bytes that there is room for. The kernel sends up to 32 KiB at a time, and cuts off what does not fit."""
BATCH = 3 * MAX_DATAGRAM
"""Bytes received before they are decoded: what is done once a batch is nothing beside what is done per socket. The
buffer is kept, for memory that is given back and taken again costs a page fault for every 4 KiB each time."""

_LISTEN = 1 << State.LISTEN
_TIME_WAIT = 1 << State.TIME_WAIT
# Bits 1 to 11 but for LISTEN. Bit 13 would add sockets that are bound and nothing else, which no other tool counts.
_CONNECTED = 0xFFE & ~_LISTEN

_SILENT = sum(1 << state for state in SILENT)

_FAMILIES = (int(socket.AF_INET), int(socket.AF_INET6))
_UNSUPPORTED = {errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP, errno.EPERM, errno.EACCES}
_FORBIDDEN = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ECONNREFUSED}
"""To send or to receive: by a sandbox, or SELinux; or nobody is there to answer."""
SCARCE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""What there is none left of for the moment does not say that a source does not work."""
_NO_MODULE = ", which has not loaded its modules inet_diag and tcp_diag (modprobe tcp_diag)"

_TIMEVALS = (struct.Struct("@ll"), struct.Struct("@qq"))
"""Seconds and microseconds, as struct __kernel_old_timeval and struct __kernel_sock_timeval."""


class Walk(NamedTuple):
    """One walk through the kernel's table."""

    states: int
    """The bit set of states whose sockets are wanted."""
    extensions: int = 0
    """The bit set of attributes that are wanted besides those that always come."""


def connect() -> socket.socket:
    """A netlink socket for the network namespace of this thread.

    Raises SourceUnavailable where there is no AF_NETLINK, or a sandbox forbids it, and ReadFailed where it is scarce.
    """
    try:
        found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
    except AttributeError as error:
        raise SourceUnavailable(f"no netlink socket: {error}") from error
    except OSError as error:
        raise _not_opened(error) from error
    try:
        _bound_waiting(found)
    except OSError as error:
        found.close()
        raise _not_opened(error) from error
    return found


def _not_opened(error: OSError) -> SourceUnavailable | ReadFailed:
    return (ReadFailed if error.errno in SCARCE else SourceUnavailable)(f"no netlink socket: {error}")


def _bound_waiting(netlink_socket: socket.socket) -> None:
    """Wait TIMEOUT_SECONDS for a datagram at most. Raises OSError.

    SO_RCVTIMEO takes two longs. Where time_t is longer than a long, as on 32-bit ARM since it counts beyond 2038, the C
    library's name means SO_RCVTIMEO_NEW, which takes two words of 64 bits and refuses less (sock_copy_user_timeval in
    net/core/sock.c). The other way round nothing is refused: the first two longs of the words would count. Not
    settimeout(): that would cost a poll(2) for each of a thousand datagrams.
    """
    longs, words = (form.pack(TIMEOUT_SECONDS, 0) for form in _TIMEVALS)
    try:
        netlink_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, longs)
    except OSError:
        netlink_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, words)


class SockDiag:
    """The source over one netlink socket, opened when first needed and anew after any error."""

    name = "sock_diag"

    def __init__(self, connect: Callable[[], socket.socket] = connect) -> None:
        self._connect = connect
        self._socket: socket.socket | None = None
        self._families: tuple[int, ...] = ()
        """The address families to ask for one by one; none as long as the legacy request works."""
        self._has_mptcp = True
        """As long as the kernel does not refuse to tell of it."""
        self._time_waits_apart = False
        self._buffer = memoryview(bytearray(BATCH))

    @contextmanager
    def reading(self, asked: Asked = NOTHING_BESIDES) -> Iterator[Reading]:
        """See ``Source.reading``."""
        try:
            listeners = self._listeners_or_fall_back()
            yield Reading(listeners, self._batches(self._walks(silences=asked.silences)), inet_diag.socket)
        except Exception:
            # What is left of an unfinished dump would be taken for the answer to the next request.
            self.close()
            raise

    def _listeners_or_fall_back(self) -> Sequence[Listener]:
        """Ask for each family from now on, if it is the legacy request that the kernel does not know."""
        try:
            return self._listeners()
        except KernelRefused as refusal:
            if refusal.errno not in _UNSUPPORTED:
                raise
            if self._families:
                self._families = ()  # a module may be loaded by the next time
                hint = _NO_MODULE if refusal.errno == errno.ENOENT else ""
                raise SourceUnavailable(f"no dump of TCP sockets: {refusal}{hint}") from refusal
        self.close()
        self._families = _FAMILIES
        return self._listeners_or_fall_back()

    def _batches(self, walks: Sequence[Walk]) -> Iterator[Batch]:
        sockets = dict.fromkeys(COUNTED, 0)
        for walk in walks:
            for rows in self._dump(walk):
                for batch in inet_diag.batches(rows):
                    if isinstance(batch, Bulk):
                        sockets[batch.state] += batch.sockets
                    yield batch
        yield from self._mptcp_connections()
        self._time_waits_apart = sockets[State.TIME_WAIT] > 1000 + sockets[State.ESTABLISHED] // 8

    def _mptcp_connections(self) -> Iterator[Batch]:
        """Those that are half-closed, while their subflows stay ESTABLISHED (net/mptcp/protocol.c)."""
        try:
            for family in _FAMILIES if self._has_mptcp else ():
                body = inet_diag.mptcp_request(family, _SILENT)
                for rows in self._ask(inet_diag.SOCK_DIAG_BY_FAMILY, body):
                    yield Watched(rows._replace(are_mptcp=True), are_mptcp=True)
        except KernelRefused as refusal:
            if refusal.errno not in _UNSUPPORTED:
                raise
            self.close()
            self._has_mptcp = False

    def _walks(self, *, silences: bool) -> Sequence[Walk]:
        """What to ask for together."""
        asked = (Walk(_SILENT, inet_diag.INFO),) if silences else ()
        rest = _CONNECTED & ~_SILENT if silences else _CONNECTED
        if self._time_waits_apart:
            return (*asked, Walk(rest & ~_TIME_WAIT), Walk(_TIME_WAIT))
        return (*asked, Walk(rest))

    def _listeners(self) -> Sequence[Listener]:
        return [listener for rows in self._dump(Walk(_LISTEN)) for listener in rows.listeners()]

    def _dump(self, walk: Walk) -> Iterator[Rows]:
        if not self._families:
            yield from self._ask(inet_diag.TCPDIAG_GETSOCK, inet_diag.legacy_request(*walk))
        for family in self._families:
            yield from self._ask(inet_diag.SOCK_DIAG_BY_FAMILY, inet_diag.request(family, *walk))

    def _ask(self, message_type: int, body: bytes) -> Iterator[Rows]:
        sequence = int.from_bytes(os.urandom(4), "little")
        netlink_socket = self._open()
        _send(netlink_socket, netlink.request(message_type, sequence, body))
        done = False
        while not done:
            messages, done = self._receive(netlink_socket, sequence)
            yield from map(inet_diag.rows, netlink.runs(messages, sequence))

    def _receive(self, netlink_socket: socket.socket, sequence: int) -> tuple[bytes, bool]:
        """Some datagrams end to end, and whether the dump ends with them."""
        size, done = 0, False
        while not done and size <= BATCH - MAX_DATAGRAM:
            received = _receive(netlink_socket, self._buffer[size : size + MAX_DATAGRAM])
            done = netlink.is_last(self._buffer[size : size + received], sequence)
            size += received
        return bytes(self._buffer[:size]), done

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._connect()
        return self._socket

    def close(self) -> None:
        """Close the netlink socket; the next reading opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _send(netlink_socket: socket.socket, request: bytes) -> None:
    try:
        netlink_socket.send(request)
    except OSError as error:
        raise _failed("ask for", error) from error


def _receive(netlink_socket: socket.socket, buffer: memoryview) -> int:
    """Receive a datagram into *buffer*; its length."""
    try:
        length, _, flags, sender = netlink_socket.recvmsg_into([buffer])
    except BlockingIOError as error:
        raise TimedOut(f"no answer from the kernel in {TIMEOUT_SECONDS} s") from error
    except OSError as error:
        raise _failed("receive", error) from error
    if flags & socket.MSG_TRUNC:
        raise Truncated(f"a datagram was longer than {MAX_DATAGRAM} bytes")
    if sender[0]:
        raise Malformed(f"an answer from process {sender[0]}, expected the kernel")
    return length


def _failed(what: str, error: OSError) -> SourceUnavailable | ReadFailed:
    return (SourceUnavailable if error.errno in _FORBIDDEN else ReadFailed)(f"cannot {what} a dump: {error}")
