"""The nouns of TCP: ports, roles, sockets."""

from typing import Literal, NamedTuple

from exporter.tcp.states import State, Timer

PORTS = 1 << 16
"""Ports are 16-bit; a table indexed by port has this many entries."""

Role = Literal["server", "client"]
"""Which end of a connection this host is: the listening service, or the one that dialled out."""

ROLES: tuple[Role, ...] = ("server", "client")


Identity = int | tuple[int, bytes, int | None]
"""What tells a socket from all others: its cookie, or else local port, destination and inode."""


class Service(NamedTuple):
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
