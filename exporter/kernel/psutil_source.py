"""Sockets through psutil, for macOS, the BSDs and Windows.

psutil walks the descriptors of all processes to name a holder for each socket, be it stuck or not; on Linux this is by
far the most expensive source. There are no cookies, no timers and no queues.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

from exporter.errors import Malformed, ReadFailed, SourceUnavailable
from exporter.kernel.procfs import Procfs
from exporter.tcp import columns
from exporter.tcp.reading import NOTHING_BESIDES, Asked, Reading
from exporter.tcp.sockets import Listener, Socket
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
    except OSError as error:
        raise ReadFailed(f"psutil cannot be loaded: {error}") from error
    if sys.platform == "linux":
        with Procfs().reading():
            pass  # psutil reads the same tables, and takes one without a heading for one without sockets
    try:
        return psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, NotImplementedError) as error:
        raise SourceUnavailable(f"psutil may not list connections: {error}") from error
    except (psutil.Error, OSError) as error:
        raise ReadFailed(f"psutil cannot list connections: {error}") from error
    except (RuntimeError, ValueError) as error:
        raise Malformed(f"psutil: {error}") from error


class Psutil:
    """The source over psutil's list of connections."""

    name = "psutil"

    def __init__(self, net_connections: Callable[[], Sequence[Connection]] = net_connections) -> None:
        self._net_connections = net_connections

    @contextmanager
    def reading(self, asked: Asked = NOTHING_BESIDES) -> Iterator[Reading]:  # noqa: ARG002 - not told
        """See ``Source.reading``."""
        connections = [(_state(connection), connection) for connection in self._net_connections()]
        listeners = [_listener(of) for state, of in connections if state is State.LISTEN]
        sockets = (_socket(state, of) for state, of in connections if state is not State.LISTEN)
        yield Reading(listeners, columns.batches(sockets), columns.unpacked, tells_verdicts=False)

    def close(self) -> None:
        """Nothing is kept open."""


def _listener(connection: Connection) -> Listener:
    local = connection.laddr
    return Listener(local.port, None, None, address=_address(local.ip))


def _socket(state: State, connection: Connection) -> Socket:
    local, remote = connection.laddr, connection.raddr
    remote_port, remote_address = (remote.port, _packed(remote.ip)) if remote else (0, bytes(16))
    addresses = _packed(local.ip) + remote_address
    is_ipv6 = ":" in local.ip
    return Socket(state, local.port, remote_port, addresses, is_ipv6=is_ipv6, pid=connection.pid or 0)


def _packed(address: str) -> bytes:
    """In network order, filled up with zeros."""
    return _address(address).ljust(16, b"\0")


def _address(address: str) -> bytes:
    """In network order; one of IPv6 may have a scope behind it."""
    return ip_address(address.partition("%")[0]).packed


def _state(connection: Connection) -> State:
    try:
        return _STATES[connection.status]
    except KeyError:
        raise Malformed(f"psutil: connection status {connection.status!r}, expected a TCP state") from None
