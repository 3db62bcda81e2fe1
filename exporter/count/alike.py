"""Watched sockets that are alike in all that is told of them but their age."""

from enum import Enum, auto
from math import inf
from typing import NamedTuple

from exporter.tcp.holders import HeldBy
from exporter.tcp.sockets import Service, Socket
from exporter.tcp.states import State
from exporter.tcp.verdicts import Verdict


class Hold(Enum):
    """Whether a process has a descriptor of a socket."""

    HELD = auto()
    UNACCEPTED = auto()
    """Not yet: it is its listener's."""
    LEFT = auto()
    """No more."""


_BEFORE_ACCEPT = (State.SYN_RECV, State.CLOSE_WAIT)
"""States in which a socket that no process holds has not been accepted."""


def hold(socket: Socket) -> Hold:
    """Told from inode or process, and the state."""
    if socket.inode or socket.pid:
        return Hold.HELD
    return Hold.UNACCEPTED if socket.state in _BEFORE_ACCEPT else Hold.LEFT


def waits_at(socket: Socket, held: Hold) -> bytes:
    """``Alike.address`` of the socket: empty but for one that has not been accepted, so that groups stay few."""
    return socket.addresses[: 16 if socket.is_ipv6 else 4] if held is Hold.UNACCEPTED else b""


class Alike(NamedTuple):
    """What the sockets of a group have in common."""

    state: State
    service: Service
    verdict: Verdict | None
    hold: Hold
    cgroup_id: int
    """As of an Origin."""
    holders: HeldBy | None
    """Who holds them, or held them last; empty if they were sought in vain, None as long as nobody was sought."""
    address: bytes = b""
    """The local one, where it tells at which listening socket they wait: of UNACCEPTED ones, 4 or 16 bytes."""
    are_mptcp: bool = False
    """Whether they are connections whose subflows are counted as sockets already."""


class Listed(NamedTuple):
    """A stuck socket that is listed by itself."""

    since: float
    slot: int
    """Where it is among the known rows."""
    socket: Socket


class Place:
    """The service and state that some groups share: where the oldest of their stuck sockets are listed together."""

    __slots__ = ("groups", "listed", "stuck", "youngest_since")

    def __init__(self) -> None:
        self.groups = 0
        self.stuck = 0
        self.listed: list[Listed] = []
        """The oldest first."""
        self.youngest_since = inf
        """Of those listed; infinite as long as there is room for more."""


class Group:
    """How many sockets are *alike*."""

    __slots__ = ("alike", "known", "oldest_since", "place", "present", "stuck")

    def __init__(self, alike: Alike, place: Place) -> None:
        self.alike, self.place = alike, place
        self.known = 0
        """Sockets, those included that the last reading has missed."""
        self.present = 0
        """Sockets that the last reading has shown."""
        self.stuck = 0
        """Of these."""
        self.oldest_since = inf
        """When the first of those present came into the state."""
