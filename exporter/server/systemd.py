"""Sockets that systemd has bound and passes as descriptors: ``--web.systemd-socket``."""

import os
import re
import socket
from collections.abc import Mapping

from exporter.errors import StartError

_FIRST_PASSED = 3
"""The first descriptor that systemd passes (SD_LISTEN_FDS_START)."""

_MPTCP = getattr(socket, "IPPROTO_MPTCP", 262)
_PROTOCOLS = (socket.IPPROTO_TCP, _MPTCP)
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def passed(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> list[socket.socket]:
    """The listening sockets, as sd_listen_fds(3) finds them. Raises StartError if there are none."""
    if environment.get("LISTEN_PID") != str(os.getpid() if pid is None else pid):
        raise StartError("--web.systemd-socket: systemd has passed no socket to this process")
    count = environment.get("LISTEN_FDS", "")
    if not re.fullmatch(r"[1-9]\d{0,3}", count, re.ASCII):
        raise StartError(f"--web.systemd-socket: expected a number of sockets in LISTEN_FDS, found {count[:20]!r}")
    return [_listening(_FIRST_PASSED + index) for index in range(int(count))]


def _listening(descriptor: int) -> socket.socket:
    """The socket that *descriptor* is, if connections can be accepted on it."""
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        raise StartError(
            f"--web.systemd-socket: the passed descriptor {descriptor} is no socket: {error.strerror}"
        ) from error
    if not _is_listening(found):
        found.detach()  # it may belong to somebody else in this process
        raise StartError(f"--web.systemd-socket: the passed descriptor {descriptor} is no TCP socket that listens")
    found.setblocking(False)
    return found


def _is_listening(found: socket.socket) -> bool:
    is_tcp = found.family in _FAMILIES and found.type == socket.SOCK_STREAM and found.proto in _PROTOCOLS
    return is_tcp and bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
