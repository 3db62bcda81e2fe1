"""The nouns of TCP: ports, roles, services, sockets."""

from typing import Literal, NamedTuple

from exporter.tcp.addresses import with_port
from exporter.tcp.namespaces import OWN
from exporter.tcp.states import State, Timer

PORTS = 1 << 16
"""Ports are 16-bit; a table indexed by port has this many entries."""

Role = Literal["server", "client"]
"""Which end of a connection this host is: the listening service, or the one that dialled out."""

ROLES: tuple[Role, ...] = ("server", "client")


class Service(NamedTuple):
    """What a socket is counted under: the service it belongs to, whichever end of it we are."""

    role: Role
    port: int
    netns: int = OWN
    """The number of the network namespace."""


class Row(NamedTuple):
    """What a number is told under: a service, or all that have no label of their own."""

    netns: str
    """The name of the network namespace; empty for our own, and ``other`` for those that are told together."""
    role: Role
    port: str
    """A number, or ``other``."""


Identity = bytes
"""What tells a socket from all others, also across changes of state."""


class Listener(NamedTuple):
    """A listening socket."""

    port: int
    queued: int | None
    """Connections waiting to be accepted, or None where the source does not tell."""
    backlog: int | None
    """How many may wait, or None where the source does not tell."""
    inode: int | None = None
    """As of a Socket."""
    cgroup_id: int = 0
    """As of an Origin."""
    address: bytes = bytes(4)
    """In network order, 4 bytes of IPv4 or 16 of IPv6; all zeros for any address (the wildcard)."""
    is_v6only: bool | None = None
    """Whether one of IPv6 takes no connections of IPv4 (IPV6_V6ONLY), or None where the source does not tell."""
    netns: int = OWN
    """As of a Socket."""


class Origin(NamedTuple):
    """What is told of a socket beside its row, and asked for when that is of use."""

    cgroup_id: int = 0
    """Inode of the cgroup v2 directory that the socket was made in, or 0 where the source does not tell."""
    silence: float = 0.0
    """Seconds since the peer last acknowledged anything, or 0 where that was not asked for or the source does not
    tell."""
    idle: float | None = None
    """Seconds since data was last sent or received, or None where that was not asked for or the source does not
    tell."""


class Ends(NamedTuple):
    """Both ends of a connection as text, as ss(8) writes them: ``10.0.0.1:443``, ``[fd00::1]:443``."""

    local: str
    remote: str


# The cookie of a kernel before 4.1 is the address of the socket in memory, which the next socket may have: kernel
# addresses have all of their upper 16 bits set. Real cookies count upwards from 1.
_ADDRESSES = 0xFFFF << 48


class Socket(NamedTuple):
    """A socket that is looked at by itself."""

    state: State
    local_port: int
    remote_port: int
    addresses: bytes
    """Local and remote address in network order, 16 bytes each; one of IPv4 is filled up with zeros."""
    cookie: int = 0
    """The kernel's identity of the socket (INET_DIAG_NOCOOKIE aside), or 0 where the source has none."""
    is_ipv6: bool = False
    timer: int = Timer.NONE
    receive_queue: int = 0
    """Bytes that the process has not read; a FIN that it has not read counts as one."""
    send_queue: int = 0
    """Bytes that the peer has not acknowledged; a FIN counts as one."""
    inode: int | None = None
    """Of the descriptors that hold the socket, 0 if none does, or not yet; None where the source does not tell."""
    pid: int = 0
    """Process that holds the socket, where the source tells."""
    retransmissions: int | None = None
    """How often what is not acknowledged has been sent again; None where the source does not tell, as /proc does not,
    which counts the timer's turns."""
    is_mptcp: bool = False
    """Whether it is a connection of several subflows, which are sockets by themselves."""
    netns: int = OWN
    """The number of its network namespace."""
    sequence: int | None = None
    """The sequence number that the first FIN has frozen, in either direction; None where the source does not tell."""

    @property
    def identity(self) -> Identity:
        """The cookie, if that is one; else ports and addresses belong to it, and what tells this use of them."""
        cookie = self.cookie.to_bytes(8, "big")
        if 0 < self.cookie < _ADDRESSES:
            return cookie
        where = self.netns.to_bytes(4, "big") + self.local_port.to_bytes(2, "big") + self.remote_port.to_bytes(2, "big")
        use = (self.inode or 0) if self.sequence is None else self.sequence
        return cookie + where + self.addresses + use.to_bytes(8, "big")

    @property
    def ends(self) -> Ends:
        """Both ends as text."""
        length = 16 if self.is_ipv6 else 4
        local, remote = self.addresses[:length], self.addresses[16 : 16 + length]
        return Ends(with_port(local, self.local_port), with_port(remote, self.remote_port))
