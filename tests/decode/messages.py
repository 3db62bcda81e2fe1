"""Netlink messages as the kernel sends them, made byte by byte."""

import struct
from collections.abc import Iterable

SEQUENCE = 0x1234ABCD


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
    cookie: int = 1,
    queues: tuple[int, int] = (0, 0),
    address: bytes = b"\x7f\0\0\1".ljust(16, b"\0"),
    attributes: int = 36,
) -> bytes:
    """A message about one socket: 124 bytes long by default, like one about a full socket."""
    fields = struct.pack("=BBBB", 2, state, 0, 0) + struct.pack(">HH", local, remote) + address * 2
    numbers = struct.pack("=IQIIIII", 0, cookie, 0, *queues, 1000, 4711)
    return message(fields + numbers + bytes(attributes))


MINI = 8
"""Bytes of attributes that the kernel sends with a TIME_WAIT socket, against 36 with a full one."""


def stream(messages: Iterable[bytes]) -> bytes:
    """Messages end to end."""
    return b"".join(messages)
