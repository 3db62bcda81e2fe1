"""The states of a TCP socket: a table of what is known of each, and what follows from it."""

from collections.abc import Mapping
from enum import Enum, IntEnum, auto
from typing import NamedTuple


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


class Kind(Enum):
    """What is done with the sockets of a state."""

    COUNTED = auto()
    """Hundreds of thousands of sockets can be in it: they are tallied, never held one by one."""
    WATCHED = auto()
    """A socket should pass through it and can be stuck in it: each is looked at by itself."""
    LISTENING = auto()


class _Facts(NamedTuple):
    kind: Kind
    stuck_after: float = 0.0
    """Seconds after which a socket is usually called stuck, if the state is watched."""
    is_silent: bool = False
    """Whether it begins with a segment from the peer, which need not send another: without a timer, the peer's silence
    is as old as the state."""


_FACTS: Mapping[State, _Facts] = {
    State.ESTABLISHED: _Facts(Kind.COUNTED),
    State.SYN_SENT: _Facts(Kind.WATCHED, stuck_after=60.0),
    State.SYN_RECV: _Facts(Kind.WATCHED, stuck_after=60.0),
    State.FIN_WAIT1: _Facts(Kind.WATCHED, stuck_after=120.0),
    State.FIN_WAIT2: _Facts(Kind.WATCHED, stuck_after=120.0, is_silent=True),
    State.TIME_WAIT: _Facts(Kind.COUNTED),
    State.CLOSE: _Facts(Kind.COUNTED),
    State.CLOSE_WAIT: _Facts(Kind.WATCHED, stuck_after=120.0, is_silent=True),
    State.LAST_ACK: _Facts(Kind.WATCHED, stuck_after=120.0),
    State.LISTEN: _Facts(Kind.LISTENING),
    State.CLOSING: _Facts(Kind.WATCHED, stuck_after=120.0),
}


def _of_kind(kind: Kind) -> tuple[State, ...]:
    return tuple(state for state, facts in _FACTS.items() if facts.kind is kind)


COUNTED = _of_kind(Kind.COUNTED)
WATCHED = _of_kind(Kind.WATCHED)
SILENT = tuple(state for state, facts in _FACTS.items() if facts.is_silent)
STUCK_AFTER: Mapping[State, float] = {state: _FACTS[state].stuck_after for state in WATCHED}


class Timer(IntEnum):
    """What the kernel waits for at a socket, numbered as idiag_timer (net/ipv4/inet_diag.c)."""

    NONE = 0
    RETRANSMISSION = 1
    KEEPALIVE = 2
    """Probes an idle peer; or, on an orphan in FIN_WAIT2, the first part of tcp_fin_timeout."""
    TIME_WAIT = 3
    """The whole socket is gone but for this timer (struct inet_timewait_sock)."""
    ZERO_WINDOW = 4
