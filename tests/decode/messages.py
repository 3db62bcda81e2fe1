"""Netlink messages as the kernel sends them, made byte by byte."""

import struct
import sys
from collections.abc import Iterable

SEQUENCE = 0x1234ABCD

FULL = bytes(36)
"""As many bytes of attributes as the kernel sends with a full socket."""
MINI = bytes(8)
"""As many as it sends with a TIME_WAIT socket."""
LOOPBACK = b"\x7f\0\0\1".ljust(16, b"\0")

AF_INET, AF_INET6 = 2, 10
INFO, SHUTDOWN, MARK, CGROUP_ID = 2, 8, 15, 21
"""Attributes INET_DIAG_..., of which SHUTDOWN is a single byte."""


def native(field: bytes) -> bytes:
    """A number that is written here as a little-endian host has it, as this host has it."""
    return field if sys.byteorder == "little" else field[::-1]


def message(body: bytes, kind: int = 18, flags: int = 2, sequence: int = SEQUENCE) -> bytes:
    """Header and body."""
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 77) + body


def done(errno: int = 0, sequence: int = SEQUENCE) -> bytes:
    """NLMSG_DONE."""
    return message(struct.pack("=i", -errno), kind=3, sequence=sequence)


def error(errno: int) -> bytes:
    """NLMSG_ERROR, with the header of the request behind the error number."""
    return message(struct.pack("=i", -errno) + bytes(16), kind=2, flags=0)


def about(  # noqa: PLR0913 - a socket has that many fields
    state: int,
    local: int = 8080,
    remote: int = 40000,
    *,
    family: int = AF_INET,
    timer: int = 0,
    retransmissions: int = 0,
    address: bytes = LOOPBACK,
    interface: int = 0,
    cookie: int = 1,
    expires: int = 0,
    queues: tuple[int, int] = (0, 0),
    inode: int = 4711,
    attributes: bytes = FULL,
) -> bytes:
    """A message about one socket, both of whose ends have *address*."""
    fields = struct.pack("=BBBB", family, state, timer, retransmissions) + struct.pack(">HH", local, remote)
    numbers = struct.pack("=IQIIIII", interface, cookie, expires, *queues, 1000, inode)
    return message(fields + address * 2 + numbers + attributes)


def attribute(kind: int, value: bytes) -> bytes:
    """An attribute; the header says how long it is without what fills it up to a multiple of four bytes."""
    whole = struct.pack("=HH", 4 + len(value), kind) + value
    return whole + bytes(-len(whole) % 4)


def cgroup_id(number: int) -> bytes:
    """The attribute that tells a socket's cgroup."""
    return attribute(CGROUP_ID, struct.pack("=Q", number))


def info(silence: int, size: int = 232, *, sent: int = 9000, received: int = 8000) -> bytes:
    """The attribute with struct tcp_info of so many bytes.

    tcpi_last_ack_recv says the *silence*, tcpi_last_data_sent and tcpi_last_data_recv when data moved, all in
    milliseconds.
    """
    return attribute(INFO, struct.pack("=44xI4xII", sent, received, silence).ljust(size, b"\0"))


def stream(messages: Iterable[bytes]) -> bytes:
    """Messages end to end."""
    return b"".join(messages)
