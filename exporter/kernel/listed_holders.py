"""Which processes have which sockets, where the kernel lists that itself: in no time, and without any privilege.

It is asked as ``DescriptorWalk`` is, which looks into /proc.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from exporter.errors import SampleError, SourceUnavailable
from exporter.kernel import processes
from exporter.tcp.holders import AskHeld, HeldBy


class ListedHolders:
    """The holders of *inodes*, of which it is *asked* once; who they are is told below *proc*."""

    refused = 0
    """Nobody is hidden."""

    def __init__(self, proc: Path, inodes: Collection[int], asked: AskHeld) -> None:
        self._proc, self._sought, self._asked = proc, frozenset(inodes), asked
        self.found: dict[int, HeldBy] = {}
        """By inode."""
        self.is_blind = False
        """Whether the kernel has not answered."""

    def settled(self) -> Mapping[int, HeldBy]:
        """Nothing, before all is known."""
        return {}

    def step(self) -> bool:
        """Ask; there is nothing more to do then."""
        try:
            pids: dict[int, list[int]] = {}
            for held in self._asked(self._sought):
                if held.inode in self._sought:
                    pids.setdefault(held.pid, []).append(held.inode)
        except (SampleError, SourceUnavailable):
            self.is_blind = True
            return False
        for pid, inodes in pids.items():
            with suppress(OSError):  # it has ended
                self._enter(pid, inodes)
        return False

    def _enter(self, pid: int, inodes: Collection[int]) -> None:
        process = processes.process(self._proc, pid)
        for inode in inodes:
            self.found[inode] = (*self.found.get(inode, ()), process)
