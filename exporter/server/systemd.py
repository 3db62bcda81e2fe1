"""Sockets that systemd has bound and passes as descriptors: ``--web.systemd-socket``."""

import os
import socket
from collections.abc import Mapping

from exporter.errors import StartError

_FIRST_PASSED = 3
"""The first descriptor that systemd passes (SD_LISTEN_FDS_START)."""


def passed(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> list[socket.socket]:
    """The listening sockets, as sd_listen_fds(3) finds them. Raises StartError if there are none."""
    if environment.get("LISTEN_PID") != str(os.getpid() if pid is None else pid):
        raise StartError("--web.systemd-socket: systemd has passed no socket to this process")
    count = environment.get("LISTEN_FDS", "")
    if not count.isdigit() or not int(count):
        raise StartError(f"--web.systemd-socket: expected a number of sockets in LISTEN_FDS, found {count!r}")
    try:
        sockets = [socket.socket(fileno=_FIRST_PASSED + index) for index in range(int(count))]
    except OSError as error:
        raise StartError(f"--web.systemd-socket: a passed descriptor is no socket: {error.strerror}") from error
    for listening in sockets:
        listening.setblocking(False)
    return sockets
