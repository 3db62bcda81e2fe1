"""Sockets to listen on, from addresses in Prometheus' style: ``:10060``, ``host:10060``, ``[::1]:10060``."""

import errno
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from tornado.netutil import bind_sockets

from exporter.decode import sysctl
from exporter.errors import Malformed, StartError


def bind(address: str) -> list[socket.socket]:
    """Listening sockets for *address*; without a host, for all addresses of IPv4 and, where there is one, IPv6.

    Raises StartError.
    """
    host, port = _parse(address)
    try:
        return list(bind_sockets(port, host))
    except socket.gaierror as error:
        raise StartError(f"cannot listen on {address}: no such host: {error.strerror}") from error
    except UnicodeError as error:  # a label that is empty or too long
        raise StartError(f"cannot listen on {address!r}: expected a host name before the port") from error
    except OSError as error:
        hint = _hint(port) if error.errno == errno.EADDRINUSE else ""
        raise StartError(f"cannot listen on {address}: {os.strerror(error.errno or 0)}{hint}") from error


def bind_all(addresses: Iterable[str]) -> list[socket.socket]:
    """Listening sockets for all *addresses*. Raises StartError."""
    return [listening for address in addresses for listening in bind(address)]


def name(listening: socket.socket) -> str:
    """The address of a *listening* socket."""
    host, port, *_ = listening.getsockname()
    return f"[{host}]:{port}" if listening.family == socket.AF_INET6 else f"{host}:{port}"


def _parse(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or (":" in host and not bracketed) or not (port.isascii() and port.isdigit()):
        raise StartError(f"cannot listen on {address!r}: expected HOST:PORT, [IPV6]:PORT or :PORT")
    if len(port) > 5 or int(port) > 65535:
        raise StartError(f"cannot listen on {address!r}: expected a port up to 65535")
    return host[1:-1] if bracketed else host, int(port)


def _hint(port: int, proc: Path = Path("/proc")) -> str:
    """Hosts that ran out of ephemeral ports have widened the range, and then outgoing connections take this one."""
    try:
        ephemeral = sysctl.port_range((proc / "sys/net/ipv4/ip_local_port_range").read_text())
    except (OSError, Malformed):
        return ""
    if port not in ephemeral:
        return ""
    return f"; an outgoing connection may have it: reserve it with net.ipv4.ip_local_reserved_ports={port}"
