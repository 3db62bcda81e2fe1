"""The search for sockets that are in no table, in the descriptors of processes: asked of the kernel little by little.

A dump does not show them, so they are what it leaves: a look tells the sockets of some processes, a reading takes those
away that are in a table, and the next look asks the kernel what the others are, if they are still there
(``system.sockprotoname``, sockfs_xattr_get in net/socket.c).
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from exporter.decode import proc_pid
from exporter.errors import SampleError, SourceUnavailable
from exporter.kernel import processes
from exporter.tcp.closed import Look
from exporter.tcp.holders import AskHeld, Process

PAUSE_SECONDS = 5.0
"""At least, from the beginning of a look to that of the next."""
SHARE = 0.005
"""Of one core, that looks may take."""
AT_ONCE = 1000
"""Descriptors that a step looks at."""
MOST = 65_536
"""Sockets of all processes together that a look remembers."""

_PROTOCOL = "system.sockprotoname"
_TCP = (b"TCP\0", b"TCPv6\0")


class ClosedSearch:
    """Looks below *proc*; *cpu* is the processor time of this thread in seconds."""

    def __init__(self, proc: Path = Path("/proc"), cpu: Callable[[], float] = time.thread_time) -> None:
        self._proc, self._cpu = proc, cpu
        self._going: Iterator[None] | None = None
        self._look: Look | None = None
        """The one that goes on: its sockets take memory."""
        self._begun, self._spent, self._next = 0.0, 0.0, 0.0

    def is_ready(self, now: float) -> bool:
        """Whether a look may begin at the monotonic time *now*."""
        return self._going is None and now >= self._next

    def begin(
        self, pids: Iterable[int] | None, suspects: Collection[int], now: float, *, everywhere: bool = False
    ) -> None:
        """Look into the processes *pids*, or all: for their sockets, and which of the *suspects*, by inode, are TCP.

        Into those of other network namespaces only if readings show their sockets, *everywhere*.
        """
        chosen = processes.pids(self._proc) if pids is None else pids
        self._going = self._steps(chosen, frozenset(suspects), everywhere=everywhere)
        self._begun, self._spent = now, 0.0

    def ask(self, held: AskHeld, suspects: Collection[int], now: float) -> None:
        """The same, where the kernel tells who has *held* sockets that are over; *suspects* were so before."""
        self._going = self._asking(held, frozenset(suspects))
        self._begun, self._spent = now, 0.0

    def _asking(self, held: AskHeld, suspects: frozenset[int]) -> Iterator[None]:
        sockets: dict[Process, set[int]] = {}
        with suppress(SampleError, SourceUnavailable):
            by_pid: dict[int, set[int]] = {}
            for one in held(()):
                by_pid.setdefault(one.pid, set()).update([one.inode] if one.is_over else [])
            for pid, inodes in by_pid.items():
                with suppress(OSError):  # it has ended
                    sockets[processes.process(self._proc, pid)] = inodes
            self._look = Look(sockets, {process: len(inodes & suspects) for process, inodes in sockets.items()})
        yield

    def _is_here(self, pid: int) -> bool:
        """Whether what the process has is in our own tables. Raises OSError."""
        return processes.network(self._proc, pid) == processes.network(self._proc, "self")

    def go_on(self, seconds: float) -> Look | None:
        """Look for about so many *seconds* of processor time; what the look has shown, once it is over."""
        begun = self._cpu()
        while self._going and self._cpu() < begun + seconds:
            if next(self._going, self) is self:
                self._next = self._begun + max(PAUSE_SECONDS, (self._spent + self._cpu() - begun) / SHARE)
                look, self._going, self._look = self._look, None, None
                return look
        self._spent += self._cpu() - begun
        return None

    def _steps(self, pids: Iterable[int], suspects: frozenset[int], *, everywhere: bool) -> Iterator[None]:
        sockets: dict[Process, set[int]] = {}
        found: dict[Process, int] = {}
        self._look = Look(sockets, found)
        left = MOST
        for pid in pids:
            yield
            try:
                if not (everywhere or self._is_here(pid)):
                    continue  # nobody reads the tables that its sockets are in
                process = processes.process(self._proc, pid)
                for some in _sockets(self._proc / str(pid) / "fd"):
                    known = sockets.setdefault(process, set())
                    closed = sum(_is_tcp(some[inode]) for inode in suspects.intersection(some) - known)
                    known.update(islice(some, left))
                    left -= min(left, len(some))
                    found[process] = found.get(process, 0) + closed
                    yield
            except OSError:  # it has ended, or is not ours to look into
                continue


def _sockets(folder: Path) -> Iterator[dict[int, str]]:
    """The paths of descriptors by inode of their socket, of AT_ONCE descriptors each. Raises OSError."""
    with os.scandir(folder) as entries:  # not all at once: they can be a hundred thousand
        while some := [entry.path for entry in islice(entries, AT_ONCE)]:
            yield {inode: path for path in some if (inode := _inode(path)) is not None}


def _inode(path: str) -> int | None:
    try:
        return proc_pid.socket_inode(os.readlink(path))  # noqa: PTH115 - half as dear for each link
    except FileNotFoundError:  # closed meanwhile
        return None


def _is_tcp(path: str) -> bool:
    try:
        return os.getxattr(path, _PROTOCOL) in _TCP
    except OSError:
        return False
