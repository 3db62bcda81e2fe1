"""The nouns of TCP: states, roles, sockets."""

from enum import IntEnum
from typing import Literal, NamedTuple

PORTS = 1 << 16
"""Ports are 16-bit; a table indexed by port has this many entries."""

Role = Literal["server", "client"]
"""Which end of a connection this host is: the listening service, or the one that dialled out."""

ROLES: tuple[Role, ...] = ("server", "client")


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


Identity = int | tuple[int, bytes, int | None]
"""What tells a socket from all others: its cookie, or else local port, destination and inode."""


class Endpoint(NamedTuple):
    """What a socket is counted under: the service it belongs to, whichever end of it we are."""

    role: Role
    port: int


class Listener(NamedTuple):
    """A listening socket."""

    port: int
    queued: int | None
    """Connections waiting to be accepted, or None where the source does not tell."""
    backlog: int | None
    """How many may wait, or None where the source does not tell."""
    inode: int | None = None
    """As of a Socket."""
    cgroup: int = 0
    """As of a Socket."""

    @property
    def identity(self) -> "Identity":
        """As of a Socket, whose identity it cannot have."""
        return self.port, b"", self.inode


class Socket(NamedTuple):
    """A socket that is looked at by itself: any but a listening one or one in a bulk state."""

    state: State
    local_port: int
    remote_port: int
    destination: bytes
    """Remote port and both addresses, in the source's own form: equal for sockets that compete for local ports."""
    cookie: int
    """The kernel's identity of the socket (INET_DIAG_NOCOOKIE aside), or 0 where the source has none."""
    is_ipv6: bool = False
    timer: int = Timer.NONE
    receive_queue: int = 0
    """Bytes that the process has not read; a FIN that it has not read counts as one."""
    send_queue: int = 0
    """Bytes that the peer has not acknowledged; a FIN counts as one."""
    inode: int | None = None
    """Of the descriptors that hold the socket, 0 if none does, or not yet; None where the source does not tell."""
    cgroup: int = 0
    """Inode of the cgroup v2 directory that the socket was made in, or 0 where the source does not tell."""
    silence: float | None = None
    """Seconds since the peer last acknowledged anything, where that was asked for and the source tells."""
    pid: int = 0
    """Process that holds the socket, where the source tells."""

    @property
    def identity(self) -> Identity:
        """The same in each reading for as long as the socket lives and has a cookie."""
        return self.cookie or (self.local_port, self.destination, self.inode)


class Ends(NamedTuple):
    """Both ends of a connection as text, as ss(8) writes them: ``10.0.0.1:443``, ``[fd00::1]:443``."""

    local: str
    remote: str
