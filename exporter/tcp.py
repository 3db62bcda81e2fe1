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


class Socket(NamedTuple):
    """A socket that is looked at by itself: any but a listening one or one in a bulk state."""

    state: State
    local_port: int
    remote_port: int
    destination: bytes
    """Remote port and both addresses, in the source's own form: equal for sockets that compete for local ports."""
    cookie: int
    """The kernel's identity of the socket (INET_DIAG_NOCOOKIE aside), or 0 where the source has none."""
