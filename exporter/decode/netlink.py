"""Netlink framing: the messages of a dump in, runs of equal messages out.

A dump is a series of datagrams, each of them a series of messages, each of them a header and a body
(include/uapi/linux/netlink.h). At a quarter of a million messages nobody can look at each header, and nobody has to:
all messages of one dump carry the same type, flags, sequence number and port, so the headers of two messages differ
only if their lengths do. A field of messages of one length is a strided slice.
"""

import struct
from typing import NamedTuple

from exporter import masks
from exporter.errors import Interrupted, KernelRefused, Malformed, Truncated

# struct nlmsghdr: nlmsg_len, nlmsg_type, nlmsg_flags, nlmsg_seq, nlmsg_pid
_HEADER = struct.Struct("=IHHII")
HEADER_LENGTH = _HEADER.size
_AT_SEQUENCE = 8
_ERRNO = struct.Struct("=i")

NLM_F_REQUEST = 0x01
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300

NLMSG_NOOP = 1
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSG_OVERRUN = 4

_END_MARK = HEADER_LENGTH + _ERRNO.size


class Header(NamedTuple):
    length: int
    type: int
    flags: int
    sequence: int
    port: int

    def pack(self) -> bytes:
        """The bytes of the header."""
        return _HEADER.pack(*self)


class Run(NamedTuple):
    """Messages of one *type*, a fixed distance apart in *data*."""

    type: int
    length: int
    """From the beginning of one message to the next."""
    data: bytes
    start: int = 0
    """Where the first message begins."""
    present: bytes | None = None
    """A mask of the places where there is a message, or None if there is one in each."""


def request(message_type: int, sequence: int, body: bytes) -> bytes:
    """The request for a dump."""
    flags = NLM_F_REQUEST | NLM_F_DUMP
    return _HEADER.pack(HEADER_LENGTH + len(body), message_type, flags, sequence, 0) + body


def is_last(datagram: bytes | memoryview, sequence: int) -> bool:
    """Whether no datagram of the dump numbered *sequence* follows: it is an error, or the end mark closes it."""
    if len(datagram) < HEADER_LENGTH or _HEADER.unpack_from(datagram)[1] in {NLMSG_ERROR, NLMSG_DONE}:
        return True
    return _has_end_mark(datagram, sequence)


def runs(messages: bytes, sequence: int) -> list[Run]:
    """Put *messages*, any number of datagrams of one dump end to end, into runs.

    Raises:
        KernelRefused: the answer is an error number.
        Interrupted: the kernel says that the dump is inconsistent.
        Truncated: the kernel lost messages, or the last one is cut short.
        Malformed: it is not an answer to the request numbered *sequence*.
    """
    if _has_end_mark(messages, sequence):
        _check_errno(messages[-_END_MARK:], "ended the dump")
        messages = messages[:-_END_MARK]
    found = _split(messages, sequence)
    for run in found:
        if run.type == NLMSG_OVERRUN:
            raise Truncated("the kernel lost messages of the dump (NLMSG_OVERRUN)")
        if run.type in {NLMSG_ERROR, NLMSG_DONE}:
            _check_errno(run.data, "refused the dump")
    return [run for run in found if run.type > NLMSG_OVERRUN]


def _has_end_mark(messages: bytes | memoryview, sequence: int) -> bool:
    """The kernel puts NLMSG_DONE behind the last socket where there is room, else into a datagram of its own."""
    if len(messages) < _END_MARK:
        return False
    length, message_type, _, number, _ = _HEADER.unpack_from(messages, len(messages) - _END_MARK)
    return (length, message_type, number) == (_END_MARK, NLMSG_DONE, sequence)


def _split(data: bytes, sequence: int) -> list[Run]:
    if not data:
        return []
    first = _header(data, 0, sequence)
    end = _end_of_run(data, first.length)
    if end == len(data):
        return [Run(first.type, first.length, data)]
    if end > len(data):
        raise Truncated(f"netlink: the last message lacks {end - len(data)} of its {first.length} bytes")
    other = _header(data, end, sequence)
    return _interleaved(data, *sorted((first, other))) or _one_by_one(data, sequence)


def _header(data: bytes, at: int, sequence: int) -> Header:
    """The header at *at*, checked."""
    if len(data) - at < HEADER_LENGTH:
        raise Truncated(f"netlink: {len(data) - at} bytes where a header of {HEADER_LENGTH} was expected")
    header = Header(*_HEADER.unpack_from(data, at))
    if header.length < HEADER_LENGTH or header.length % 4:
        raise Malformed(f"netlink: message length {header.length}, expected a multiple of 4 from 16")
    if header.length > len(data) - at:
        raise Truncated(f"netlink: message of {header.length} bytes in the last {len(data) - at} of a datagram")
    if header.sequence != sequence:
        raise Malformed(f"netlink: answer to request {header.sequence}, expected {sequence}")
    if header.flags & NLM_F_DUMP_INTR:
        raise Interrupted("the table changed during the dump (NLM_F_DUMP_INTR)")
    return header


def _end_of_run(data: bytes, length: int) -> int:
    """Where the first message begins whose header is not that of the first one."""
    if len(data) % length == 0 and _all_alike(data, length):
        return len(data)
    header, end = data[:HEADER_LENGTH], length
    while data.startswith(header, end):
        end += length
    return end


def _all_alike(data: bytes, length: int) -> bool:
    """Whether length, type and flags are the same in all messages; one dump has one sequence number and port."""
    messages = len(data) // length
    return all(data[byte::length] == data[byte : byte + 1] * messages for byte in range(_AT_SEQUENCE))


def _interleaved(data: bytes, short: Header, long: Header) -> list[Run]:
    """Two runs over the same bytes, after each *short* message has been filled up in front to the length of a *long*.

    What is put in front is the header of a long message and zeros: a blank, told by its first byte, which in a real
    body is the address family. Thus every message begins where a long one would, and no message has to be moved by
    itself. Nothing if the messages are not just these two, or the blank would not be longer than a header. The sequence
    number in the header is random: a body that contains a header by chance is not to be expected.
    """
    gap = long.length - short.length
    if gap <= HEADER_LENGTH or short.type <= NLMSG_OVERRUN:
        return []
    filled = data.replace(short.pack(), long.pack().ljust(gap, b"\0") + short.pack())
    if len(filled) % long.length or not _all_alike(filled, long.length):
        return []
    bodies = filled[HEADER_LENGTH :: long.length]
    if bodies.count(0) * gap != len(filled) - len(data):
        return []
    is_blank = masks.where(bodies, frozenset({0}))
    is_real = masks.where(is_blank, frozenset({0}))
    return [
        Run(long.type, long.length, filled, present=is_real),
        Run(short.type, long.length, filled, start=gap, present=is_blank),
    ]


def _one_by_one(data: bytes, sequence: int) -> list[Run]:
    """A run for each type and length, at the price of some instructions of Python for each message."""
    found: dict[tuple[int, int], list[bytes]] = {}
    at = 0
    while at < len(data):
        header = _header(data, at, sequence)
        found.setdefault((header.type, header.length), []).append(data[at : at + header.length])
        at += header.length
    return [Run(*kind, b"".join(messages)) for kind, messages in found.items()]


def _check_errno(message: bytes, what: str) -> None:
    """Raise the error number that NLMSG_DONE and NLMSG_ERROR carry behind the header, negative; 0 is success."""
    if len(message) < _END_MARK:
        raise Truncated(f"netlink: control message of {len(message)} bytes, expected {_END_MARK}")
    number = -_ERRNO.unpack_from(message, HEADER_LENGTH)[0]
    if number:
        raise KernelRefused(f"the kernel {what} with error {number}", number)
