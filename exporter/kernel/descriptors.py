"""Which process has which socket: told by the links in /proc/PID/fd.

Reading them is the dearest thing that the exporter does, some 5 microseconds for each descriptor of the host, so it is
done only for sockets that somebody has to explain, a process at a time, and no longer than until all are found. Other
users' processes need CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.decode import proc_pid
from exporter.kernel import processes
from exporter.tcp.holders import Process


class DescriptorWalk:
    """Looks for the holders of *inodes* below *proc*, in the processes *first* and then in all others."""

    def __init__(self, proc: Path, inodes: Iterable[int], first: Iterable[int] = ()) -> None:
        self._proc = proc
        self._missing = set(inodes)
        self._pids = iter(dict.fromkeys([*first, *processes.pids(proc)]))
        self.found: dict[int, Process] = {}
        """By inode."""
        self.refused = 0
        """Processes that we may not look into."""

    def step(self) -> bool:
        """Look into one process; whether there is another one to look into."""
        pid = next(self._pids, None) if self._missing else None
        if pid is None:
            return False
        try:
            self._look_into(pid)
        except PermissionError:
            self.refused += 1
        except OSError:
            pass  # the process has ended
        return True

    def _look_into(self, pid: int) -> None:
        here = self._missing.intersection(_sockets(self._proc / str(pid) / "fd"))
        if here:
            self._missing -= here
            self.found |= dict.fromkeys(here, processes.process(self._proc, pid))


def _sockets(folder: Path) -> Iterator[int]:
    """The inodes of the sockets in a folder of descriptors. Raises OSError."""
    with _opened(folder) as directory:
        for name in os.listdir(directory):  # noqa: PTH208 - of a descriptor, which spares a path for each link
            try:
                inode = proc_pid.socket_inode(os.readlink(name, dir_fd=directory))
            except FileNotFoundError:  # closed meanwhile
                continue
            if inode is not None:
                yield inode


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield directory
    finally:
        os.close(directory)
