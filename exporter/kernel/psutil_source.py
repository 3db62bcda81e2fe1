"""Sockets through psutil, for macOS, the BSDs and Windows.

psutil walks the descriptors of all processes to name a holder for each socket, be it stuck or not; on Linux this is by
far the most expensive source. There are no cookies, no timers and no queues.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from exporter.errors import Malformed, ReadFailed, SourceUnavailable
from exporter.kernel.source import RolesFor, Snapshot, Watch, take
from exporter.tcp.sockets import Ends, Listener, Socket
from exporter.tcp.states import State

Connection = Any
"""A psutil named tuple with ``laddr``, ``raddr`` and ``status``."""

_STATES = {state.name: state for state in State}


def net_connections() -> Sequence[Connection]:
    """All TCP connections of the host, IPv4 and IPv6.

    Raises SourceUnavailable without psutil or the rights that it needs on this system.
    """
    try:
        import psutil  # noqa: PLC0415 - a megabyte that only this source needs
    except ImportError as error:
        raise SourceUnavailable(f"no psutil: {error}") from error
    try:
        return psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, NotImplementedError) as error:
        raise SourceUnavailable(f"psutil may not list connections: {error}") from error
    except (psutil.Error, OSError) as error:
        raise ReadFailed(f"psutil cannot list connections: {error}") from error


class Psutil:
    """The source over psutil's list of connections."""

    name = "psutil"

    def __init__(self, net_connections: Callable[[], Sequence[Connection]] = net_connections) -> None:
        self._net_connections = net_connections

    def read(self, roles_for: RolesFor, watch: Watch, *, silences: bool = False) -> Snapshot:  # noqa: ARG002 - not told
        """Read all sockets; see ``Source.read``."""
        connections = [(_state(one), one) for one in self._net_connections()]
        listeners = [Listener(one.laddr.port, None, None) for state, one in connections if state is State.LISTEN]
        sockets = (_socket(state, one) for state, one in connections if state is not State.LISTEN)
        return replace(take(listeners, sockets, roles_for, watch, _ends), tells_timers=False)

    def close(self) -> None:
        """Nothing is kept open."""


def _socket(state: State, connection: Connection) -> Socket:
    local, remote = connection.laddr, connection.raddr
    remote_port = remote.port if remote else 0
    addresses = f"{local.ip} {remote.ip if remote else ''}".encode()
    destination = remote_port.to_bytes(2, "big") + addresses
    return Socket(state, local.port, remote_port, destination, cookie=0, pid=connection.pid or 0)


def _ends(one: Socket) -> Ends:
    local, remote = (f"[{ip}]" if ":" in ip else ip for ip in one.destination[2:].decode().split(" "))
    return Ends(f"{local}:{one.local_port}", f"{remote}:{one.remote_port}")


def _state(connection: Connection) -> State:
    try:
        return _STATES[connection.status]
    except KeyError:
        raise Malformed(f"psutil: connection status {connection.status!r}, expected a TCP state") from None
