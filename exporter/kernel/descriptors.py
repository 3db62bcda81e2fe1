"""Which processes have which sockets: told by the links in /proc/PID/fd.

Reading them is the dearest thing that the exporter does, some 5 microseconds for each descriptor of the host, so it is
done only for sockets that somebody has to explain, a process at a time, and no longer than until all are found. Other
users' processes need CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.

Several processes can have a socket: a child has those that its parent had at fork(2), and any descriptor can be passed
on. So where a holder is found, those are looked into next that are likely to share it, and no others on that account.
systemd keeps a copy of each listening socket that it passes to a service: where only it has been found, the search goes
on.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from exporter.decode import proc_pid
from exporter.kernel import processes
from exporter.tcp.cgroups import is_manager
from exporter.tcp.holders import HeldBy, Process

AT_ONCE = 2000
"""Descriptors that a step looks at."""
_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
KIN = 256
"""Processes that a walk looks into only since they may share the sockets of others."""

Kin = Callable[[Process], Iterable[int]]
"""Gives the numbers of the processes that may share the sockets of one, and of others."""


class DescriptorWalk:
    """Looks for the holders of *inodes* below *proc*: in the processes *first* and all others, and in their *kin*."""

    def __init__(self, proc: Path, inodes: Iterable[int], first: Iterable[int] = (), kin: Kin = lambda _: ()) -> None:
        self._proc, self._kin_of = proc, kin
        self._sought = frozenset(inodes)
        self._missing = set(self._sought)
        self._pids = self._order(first)
        self._kin: dict[int, None] = {}
        """Those that are to be looked into next, in order."""
        self._kin_left = KIN
        self._met: set[int] = set()
        self._inside: Iterator[None] = iter(())
        """Goes on in the process that is being looked into."""
        self._is_inside = False
        self.found: dict[int, HeldBy] = {}
        """By inode."""
        self.refused = 0
        """Processes that we may not look into."""
        self.is_blind = False
        """Whether some could not be looked into for want of a descriptor or memory: what was not found may be there."""

    def _order(self, first: Iterable[int]) -> Iterator[int]:
        yield from first
        try:
            yield from processes.listed(self._proc)
        except OSError as error:
            self.is_blind |= error.errno in _SCARCE

    def settled(self) -> Mapping[int, HeldBy]:
        """What has been found, if all have been looked into that are likely to share it."""
        if self._kin or self._is_inside:
            return {}
        return {inode: holders for inode, holders in self.found.items() if inode not in self._missing}

    def step(self) -> bool:
        """Look into one process, or AT_ONCE of its descriptors; whether there is more to look into."""
        if not self._is_inside:
            pid = self._next()
            if pid is None:
                return False
            self._met.add(pid)
            self._inside = self._look_into(pid)
        self._is_inside = self._go_on()
        return True

    def _next(self) -> int | None:
        if self._kin:
            pid = next(iter(self._kin))
            del self._kin[pid]
            return pid
        return next((pid for pid in self._pids if pid not in self._met), None) if self._missing else None

    def _go_on(self) -> bool:
        """Go on in the process; whether it has more descriptors."""
        try:
            next(self._inside)
        except PermissionError:
            self.refused += 1
        except StopIteration:
            pass
        except OSError as error:  # most likely the process has ended
            self.is_blind |= error.errno in _SCARCE
        else:
            return True
        return False

    def _look_into(self, pid: int) -> Iterator[None]:
        """Comes back after AT_ONCE descriptors each."""
        here: set[int] = set()
        for number, some in enumerate(_sockets(self._proc / str(pid) / "fd")):
            if number:
                yield
            here |= self._sought.intersection(some)
            if len(here) == len(self._sought):
                break
        if here:
            self._enter(here, processes.process(self._proc, pid))

    def _enter(self, here: Iterable[int], process: Process) -> None:
        for inode in here:
            self.found[inode] = (*self.found.get(inode, ()), process)
        if not is_manager(process.cgroup):
            self._missing.difference_update(here)
            new = [pid for pid in self._kin_of(process) if pid not in self._met and pid not in self._kin]
            self._kin |= dict.fromkeys(new[: self._kin_left])
            self._kin_left -= len(new[: self._kin_left])


def _sockets(folder: Path) -> Iterator[Iterable[int | None]]:
    """What _inode gives for AT_ONCE descriptors of a folder each. Raises OSError."""
    with _opened(folder) as directory:
        names = os.listdir(directory)  # noqa: PTH208 - of a descriptor, which spares a path for each link
        for at in range(0, len(names), AT_ONCE):
            yield (_inode(name, directory) for name in names[at : at + AT_ONCE])


def _inode(name: str, directory: int) -> int | None:
    """Of the socket that is behind a descriptor; None if that is something else."""
    try:
        return proc_pid.socket_inode(os.readlink(name, dir_fd=directory))
    except FileNotFoundError:  # closed meanwhile
        return None


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield directory
    finally:
        os.close(directory)
