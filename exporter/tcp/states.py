"""The states of a TCP socket, and what is known of each."""

from enum import IntEnum


class State(IntEnum):
    """A socket's state, numbered as in the kernel's include/net/tcp_states.h."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11

    @property
    def label(self) -> str:
        """The state as node_exporter spells it, for example ``fin_wait2``."""
        return self.name.lower()


BULK = (State.ESTABLISHED, State.TIME_WAIT)
"""The states that hundreds of thousands of sockets can be in: tallied, never held one by one."""

WATCHED = (
    State.SYN_SENT,
    State.SYN_RECV,
    State.FIN_WAIT1,
    State.FIN_WAIT2,
    State.CLOSE_WAIT,
    State.LAST_ACK,
    State.CLOSING,
)
"""The states that a socket should pass through, and can be stuck in: each socket is looked at by itself."""


SILENT = (State.FIN_WAIT2, State.CLOSE_WAIT)
"""The states that begin with a segment from the peer and in which it need not send another: without a timer, the peer's
silence is as old as the state."""


class Timer(IntEnum):
    """What the kernel waits for at a socket, numbered as idiag_timer (net/ipv4/inet_diag.c)."""

    NONE = 0
    RETRANSMISSION = 1
    KEEPALIVE = 2
    """Probes an idle peer; or, on an orphan in FIN_WAIT2, the first part of tcp_fin_timeout."""
    TIME_WAIT = 3
    """The whole socket is gone but for this timer (struct inet_timewait_sock)."""
    ZERO_WINDOW = 4
