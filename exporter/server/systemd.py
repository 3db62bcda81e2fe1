"""What systemd passes to a service, sockets that it has bound (``--web.systemd-socket``), and what it is told."""

import logging
import math
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from exporter.errors import StartError

log = logging.getLogger(__name__)

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


SEND_SECONDS = 1.0
"""How long systemd may be too busy to be told something."""


class Service:
    """What the service manager is told, as sd_notify(3) has it; nothing where nobody has asked for it.

    The socket is kept, since there may be no descriptor left when there is something to tell. Any thread may call.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._socket = _datagrams() if self._address else None
        self.is_ready = False
        self.watchdog_seconds = _watchdog(environment, os.getpid() if pid is None else pid)
        """How often a sign of life is expected; infinite if nobody waits for one."""

    def ready(self) -> None:
        """The service is up, or has been loaded anew."""
        self.is_ready = True
        self._tell("READY=1")

    def alive(self) -> None:
        """The service does what it is there for."""
        if self.watchdog_seconds < math.inf:
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The service ends, and there is nothing more to tell."""
        self._tell("STOPPING=1")
        last, self._socket = self._socket, None
        if last:
            last.close()

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """The configuration is loaded anew meanwhile, be it in vain; of no concern before the service is up."""
        if not self.is_ready:
            yield
            return
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
        try:
            yield
        finally:
            self.ready()

    def _tell(self, state: str) -> None:
        try:
            if told := self._socket:
                told.sendto(state.encode(), self._address)
        except OSError as error:
            log.warning("systemd cannot be told %s: %s", state.splitlines()[0], error.strerror or error)


def _address(name: str) -> str:
    """Of the manager's socket; empty if there is none, or one of a kind that is not known."""
    if name and name[0] not in "/@":
        log.warning("NOTIFY_SOCKET: expected a path or @ and a name, found %r; systemd is told nothing", name[:100])
        return ""
    return re.sub("^@", "\0", name)


def _datagrams() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.settimeout(SEND_SECONDS)
    return made


def _watchdog(environment: Mapping[str, str], pid: int) -> float:
    """As sd_watchdog_enabled(3) has it: the number may be meant for another process."""
    wanted = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid) or not re.fullmatch(r"[1-9]\d{0,18}", wanted, re.ASCII):
        return math.inf
    return int(wanted) / 1e6
