"""How a socket will end: told from its timer, its queue, and whether a process holds it (its inode).

    FIN_WAIT2    no inode                     fin_timeout   closed by its process: the kernel removes it within
                                                            tcp_fin_timeout, two minutes at most
                 inode, keepalive timer       keepalive     held: removed if the peer stops to answer
                 inode, no timer              nothing       held: stays until the process or the peer acts
    CLOSE_WAIT   no inode                     accept        nobody has accepted it; counts in the queue of its listener
                 inode, receive queue over 1  read          data is unread
                 inode, receive queue 0, 1    close         there is nothing to read but the end of the stream: the
                                                            process has seen it, or need not look, and does not close

The FIN counts as one byte of the receive queue until it is read. A keepalive timer ends also who waits to be closed, if
the peer is dead. Of a socket that data still moves on, half-closed as it is, all this is not to be said: it ends when
the transfer does, which the row does not show.

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
    ends_with_peer: bool = False
    """Whether it is removed if the peer is dead."""


FIN_TIMEOUT = Verdict("ends_by", "fin_timeout", ends_by_itself=True)
KEEPALIVE = Verdict("ends_by", "keepalive", ends_with_peer=True)
RECEIVES = Verdict("ends_by", "transfer")
NOTHING = Verdict("ends_by", "nothing")
ACCEPT = Verdict("waits_for", "accept")
READ = Verdict("waits_for", "read")
READ_WITH_KEEPALIVE = Verdict("waits_for", "read", ends_with_peer=True)
SENDS = Verdict("waits_for", "transfer")
CLOSE = Verdict("waits_for", "close")
CLOSE_WITH_KEEPALIVE = Verdict("waits_for", "close", ends_with_peer=True)

VERDICTS: Mapping[State, tuple[Verdict, ...]] = {
    State.FIN_WAIT2: (FIN_TIMEOUT, KEEPALIVE, RECEIVES, NOTHING),
    State.CLOSE_WAIT: (ACCEPT, READ, READ_WITH_KEEPALIVE, SENDS, CLOSE, CLOSE_WITH_KEEPALIVE),
}
"""All that there can be for a state; some share a word."""

MOVING: Mapping[State, Verdict] = {State.FIN_WAIT2: RECEIVES, State.CLOSE_WAIT: SENDS}
"""Of a held socket that data still moves on."""

_FIN = 1

# Whether a keepalive timer runs; in CLOSE_WAIT also, whether data is unread.
_HELD = {
    (State.FIN_WAIT2, True, False): KEEPALIVE,
    (State.FIN_WAIT2, False, False): NOTHING,
    (State.CLOSE_WAIT, False, True): READ,
    (State.CLOSE_WAIT, True, True): READ_WITH_KEEPALIVE,
    (State.CLOSE_WAIT, False, False): CLOSE,
    (State.CLOSE_WAIT, True, False): CLOSE_WITH_KEEPALIVE,
}
_LEFT = {State.FIN_WAIT2: FIN_TIMEOUT, State.CLOSE_WAIT: ACCEPT}


def verdict(socket: Socket) -> Verdict | None:
    """One of VERDICTS of the socket's state; None for other states, and where the source does not tell inodes."""
    if socket.inode is None or socket.state not in VERDICTS:
        return None
    if not socket.inode:
        return _LEFT[socket.state]
    is_unread = socket.state is State.CLOSE_WAIT and socket.receive_queue > _FIN
    return _HELD[socket.state, socket.timer == Timer.KEEPALIVE, is_unread]


def is_never_stuck(socket: Socket) -> bool:
    """Whether it ends by itself; or it is a request that has been answered.

    A listening socket with TCP_DEFER_ACCEPT leaves a request in SYN_RECV until data comes, though the client has
    answered; one without an answer gets the SYN-ACK again within the second second (inet_csk_reqsk_queue_hash_add in
    net/ipv4/inet_connection_sock.c).
    """
    how = verdict(socket)
    is_answered = socket.state is State.SYN_RECV and socket.retransmissions == 0
    return is_answered or (how is not None and how.ends_by_itself)
