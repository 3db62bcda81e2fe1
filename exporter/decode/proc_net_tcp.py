"""Lines of /proc/net/tcp and /proc/net/tcp6 (net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c).

    sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 ...

Addresses are words in the host's byte order, ports are hexadecimal numbers. Lines of TIME_WAIT and SYN_RECV sockets
have fewer columns than the others; the first ten are the same. Behind them stand, of interest here, the congestion
window in the 16th; the listening sockets come first.

Other kernels that have the file do not all fill it in: gVisor (pkg/sentry/fsimpl/proc/task_net.go) lists the sockets
that have a descriptor, in random order, and has 0 for every timer, queue and window, in some versions also for every
inode. Such lines are called bare here: they tell addresses and states, and nothing can be said of how a socket ends.
"""

import sys
from collections.abc import Sequence

from exporter.errors import Malformed, Truncated
from exporter.tcp.sockets import Listener, Socket
from exporter.tcp.states import COUNTED, State

HEADER_WORD = b"local_address"
_COLUMNS = 10
_WINDOW = 15
_NO_WINDOW = [b"0"]
_V4, _V6 = 4, 16  # bytes of an address
_STATES = {b"%02X" % state: state for state in State}
_LISTENING = b"%02X" % State.LISTEN


def complete(chunk: bytes, *, last: bool) -> tuple[list[bytes], bytes]:
    """Cut *chunk* into lines without the heading, and what follows the last line end.

    Raises Truncated if it is the *last* chunk and does not end with a line end.
    """
    *lines, rest = chunk.split(b"\n")
    if last and rest:
        raise Truncated(f"/proc/net/tcp ends within a line: {_quoted(rest)}")
    return [line for line in lines if HEADER_WORD not in line], rest


def has_heading(beginning: bytes) -> bool:
    """Whether a file with this *beginning* is a table at all: WSL 1 has an empty one, whatever sockets there are."""
    return HEADER_WORD in beginning.partition(b"\n")[0]


def state(line: bytes) -> State:
    """The socket's state. Raises Malformed."""
    return _state(line.split(None, 4), line)


def listen_first(lines: Sequence[bytes]) -> bool:
    """Whether the listening ones of these lines stand before all others, as Linux has them. Raises Malformed."""
    listening = [state(line) is State.LISTEN for line in lines]
    return all(listening[: listening.count(True)])


def are_bare(lines: Sequence[bytes]) -> bool:
    """Whether these lines tell no more than addresses and states. Raises Malformed.

    In Linux no congestion window is ever 0 (tcp_snd_cwnd_set in include/net/tcp.h), and a socket listens for as long as
    a descriptor, and thus an inode, is there.
    """
    columns = [_columns(line) for line in lines]
    if any(some[_WINDOW : _WINDOW + 1] == _NO_WINDOW for some in columns):
        return True
    listening = [_inode(some, line) for some, line in zip(columns, lines, strict=True) if some[3] == _LISTENING]
    return bool(listening) and not any(listening)


def socket(line: bytes) -> Socket:
    """A socket; there is no cookie. One in a bulk state is no more than its ends and its inode. Raises Malformed."""
    columns = _columns(line)
    local_address, local_port = _address(columns[1], line)
    remote_address, remote_port = _address(columns[2], line)
    addresses = _network_order(local_address) + _network_order(remote_address)
    is_ipv6 = len(local_address) == _V6
    state, inode = _state(columns, line), _inode(columns, line)
    found = Socket(state, local_port, remote_port, addresses, is_ipv6=is_ipv6, inode=inode)
    return found if state in COUNTED else _with_details(found, columns, line)


def bare_socket(line: bytes) -> Socket:
    """The socket of a bare line; its inode counts as not told, so that nothing is made of its timer and its queues.

    Raises Malformed.
    """
    return socket(line)._replace(inode=None)


def _with_details(found: Socket, columns: list[bytes], line: bytes) -> Socket:
    sent, received = _hexadecimal(columns[4], line)
    timer, _ = _hexadecimal(columns[5], line, bits=8)
    return found._replace(timer=timer, receive_queue=received, send_queue=sent)


def _network_order(words: bytes) -> bytes:
    """The address, filled up with zeros to 16 bytes."""
    if sys.byteorder == "little":
        words = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    return words.ljust(_V6, b"\0")


def listener(line: bytes) -> Listener:
    """A listening socket: the queue is its accept queue, whose limit is not shown. Raises Malformed."""
    columns = _columns(line)
    _, queued = _hexadecimal(columns[4], line)
    words, port = _address(columns[1], line)
    address = _network_order(words)[: len(words)]
    return Listener(port, queued, backlog=None, inode=_inode(columns, line), address=address)


def bare_listener(line: bytes) -> Listener:
    """The listening socket of a bare line: its accept queue is not told. Raises Malformed."""
    return listener(line)._replace(queued=None)


def _inode(columns: list[bytes], line: bytes) -> int:
    try:
        return _unsigned(columns[9], 10, 64)
    except ValueError:
        raise _malformed(line, "an inode in the tenth column") from None


def _hexadecimal(column: bytes, line: bytes, bits: int = 32) -> tuple[int, int]:
    """Two numbers, the first of so many *bits*."""
    try:
        left, right = column.split(b":")
        return _unsigned(left, 16, bits), _unsigned(right, 16, 32)
    except ValueError:
        raise _malformed(line, "tx_queue:rx_queue and tr:tm->when in hexadecimal in columns five and six") from None


def _unsigned(digits: bytes, base: int, bits: int) -> int:
    number = int(digits, base)
    if not 0 <= number < 1 << bits:
        raise ValueError(digits)
    return number


def _columns(line: bytes) -> list[bytes]:
    columns = line.split()
    if len(columns) < _COLUMNS:
        raise _malformed(line, f"at least {_COLUMNS} columns")
    return columns


def _state(columns: list[bytes], line: bytes) -> State:
    try:
        return _STATES[columns[3]]
    except (IndexError, KeyError):
        raise _malformed(line, "a state from 01 to 0B in the fourth column") from None


def _address(column: bytes, line: bytes) -> tuple[bytes, int]:
    """Address, 4 or 16 bytes in the order of the file, and port."""
    address, _, port = column.partition(b":")
    try:
        words, number = bytes.fromhex(address.decode()), int(port, 16)
    except ValueError:
        words, number = b"", -1
    if len(words) not in {_V4, _V6} or len(port) != 4 or number < 0:
        raise _malformed(line, "ADDRESS:PORT in hexadecimal in columns two and three")
    return words, number


def _malformed(line: bytes, expected: str) -> Malformed:
    return Malformed(f"/proc/net/tcp: expected {expected}, found {_quoted(line)}")


def _quoted(line: bytes) -> str:
    return repr(line[:80].decode("ascii", "replace"))
