"""The nouns of TCP: states, roles, ports."""

from enum import IntEnum
from typing import Literal

PORTS = 1 << 16
"""Ports are 16-bit; tables indexed by port have this many entries."""

Role = Literal["server", "client"]
"""Which end of the connection this host is: the listening service, or the one that dialled out."""


class State(IntEnum):
    """A socket's state, numbered as in the kernel's include/net/tcp_states.h, named as node_exporter does."""

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
        return self.name.lower()


BULK = (State.ESTABLISHED, State.TIME_WAIT)
"""States that hundreds of thousands of sockets can be in at once; tallied without an object per socket."""

WATCHED = (
    State.SYN_SENT,
    State.SYN_RECV,
    State.FIN_WAIT1,
    State.FIN_WAIT2,
    State.CLOSE_WAIT,
    State.LAST_ACK,
    State.CLOSING,
)
"""States that a socket can be stuck in; each socket is looked at."""
