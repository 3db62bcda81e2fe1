"""How a socket will end: told from its timer, its queue, and whether a process holds it (its inode).

    FIN_WAIT2    no inode                     fin_timeout   closed by its process: the kernel removes it within
                                                            tcp_fin_timeout, two minutes at most
                 inode, keepalive timer       keepalive     held: removed if the peer stops to answer
                 inode, no timer              nothing       held: stays until the process or the peer acts
    CLOSE_WAIT   no inode                     accept        nobody has accepted it; counts in the queue of its listener
                 inode, receive queue not 0   read          data is unread, or the FIN, which counts as one byte
                 inode, receive queue 0       close         the process has read the end of the stream and does not
                                                            close: it will hardly ever do

An orphan in FIN_WAIT2 shows the keepalive timer for the part of tcp_fin_timeout above 60 s (tcp_rcv_state_process in
net/ipv4/tcp_input.c), and the TIME_WAIT timer after that; the inode tells it from a held socket.
"""

from collections.abc import Mapping
from typing import NamedTuple

from exporter.tcp.sockets import Socket
from exporter.tcp.states import State, Timer


class Verdict(NamedTuple):
    """What the end of a socket depends on."""

    label: str
    """Name of the label that tells it: ``ends_by`` or ``waits_for``."""
    word: str
    """Value of that label."""
    ends_by_itself: bool = False
    """Whether a timer of the kernel's is about to remove it: then it is never stuck."""


FIN_TIMEOUT = Verdict("ends_by", "fin_timeout", ends_by_itself=True)
KEEPALIVE = Verdict("ends_by", "keepalive")
NOTHING = Verdict("ends_by", "nothing")
ACCEPT = Verdict("waits_for", "accept")
READ = Verdict("waits_for", "read")
CLOSE = Verdict("waits_for", "close")

VERDICTS: Mapping[State, tuple[Verdict, ...]] = {
    State.FIN_WAIT2: (FIN_TIMEOUT, KEEPALIVE, NOTHING),
    State.CLOSE_WAIT: (ACCEPT, READ, CLOSE),
}
"""All that there can be for a state."""

# Whether a process holds the socket, and: in FIN_WAIT2, whether a keepalive timer runs; in CLOSE_WAIT, whether anything
# is unread.
_TABLE = {
    (State.FIN_WAIT2, False, False): FIN_TIMEOUT,
    (State.FIN_WAIT2, False, True): FIN_TIMEOUT,
    (State.FIN_WAIT2, True, True): KEEPALIVE,
    (State.FIN_WAIT2, True, False): NOTHING,
    (State.CLOSE_WAIT, False, False): ACCEPT,
    (State.CLOSE_WAIT, False, True): ACCEPT,
    (State.CLOSE_WAIT, True, True): READ,
    (State.CLOSE_WAIT, True, False): CLOSE,
}


def verdict(socket: Socket) -> Verdict | None:
    """One of VERDICTS of the socket's state; None for other states, and where the source does not tell inodes."""
    if socket.inode is None or socket.state not in VERDICTS:
        return None
    is_fin_wait2 = socket.state is State.FIN_WAIT2
    detail = socket.timer == Timer.KEEPALIVE if is_fin_wait2 else socket.receive_queue > 0
    return _TABLE[socket.state, socket.inode != 0, detail]
