"""Network namespaces as the kernel shows them: which processes are in each, and which file is bound to it.

A namespace is known by its number, the inode of /proc/PID/ns/net. The kernel gives the number of one that is gone to
the next that is made. For that of another user's process it takes CAP_SYS_PTRACE.
"""

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from exporter.kernel import processes

MOST_PROCESSES = 20_000
MOST_FILES = 10_000
"""That are looked at."""


class Places(NamedTuple):
    """What leads to namespaces, by their numbers."""

    pids: Mapping[int, Sequence[int]]
    """Processes in them."""
    files: Mapping[int, str]
    """Names of files that are bound to them."""

    def numbers(self) -> AbstractSet[int]:
        return self.pids.keys() | self.files.keys()

    def shares(self, number: int, other: "Places") -> bool:
        """Whether both lead to the same namespace, and not to two that have had the *number* one after the other."""
        file = self.files.get(number)
        shared = set(self.pids.get(number, ())).intersection(other.pids.get(number, ()))
        return bool(shared) or (file is not None and file == other.files.get(number))


def own(proc: Path) -> int:
    """The number of ours; 0 where there is no /proc."""
    return _stat(f"{proc}/self/ns/net")[1]


def members(proc: Path) -> Mapping[int, Sequence[int]]:
    """The processes in each namespace, by its number: of those that we may look into."""
    found: dict[int, list[int]] = {}
    for pid in processes.pids(proc)[:MOST_PROCESSES]:
        number = _stat(f"{proc}/{pid}/ns/net")[1]
        if number:
            found.setdefault(number, []).append(pid)
    return found


def files(proc: Path, named: Path) -> Mapping[int, str]:
    """The names of the files in *named* that are bound to a namespace (ip-netns(8)), by its number.

    Another file may have the same inode by chance, on another device than that of /proc/PID/ns.
    """
    device = _stat(f"{proc}/self/ns/net")[0]
    found = {_stat(f"{named}/{name}"): name for name in sorted(_entries(named), reverse=True)}
    return {number: name for (on, number), name in found.items() if number and on == device}


def opened(number: int, paths: Iterator[str]) -> int:
    """A descriptor of the namespace for setns(2), by the first of the *paths* that leads to it.

    Raises OSError: that of the last path, or ENOENT if all lead elsewhere.
    """
    failed: OSError | None = None
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            failed = error
            continue
        if os.fstat(descriptor).st_ino == number:
            return descriptor
        os.close(descriptor)
    raise failed or OSError(errno.ENOENT, f"no process and no file leads to network namespace {number}")


def _stat(path: str) -> tuple[int, int]:
    """Device and inode; zeros for what is gone, or not ours to see."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a third as dear, for each process
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def _entries(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, MOST_FILES)]
    except OSError:
        return []
