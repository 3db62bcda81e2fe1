"""The search for the processes that hold some sockets: asked of the kernel little by little."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from exporter.kernel import processes
from exporter.kernel.descriptors import DescriptorWalk
from exporter.tcp.holders import NO_PROCESS, HolderClue, Process

log = logging.getLogger(__name__)

SEARCH_SECONDS = 15.0
"""Between the beginnings of two searches, of which each may go through the descriptors of the whole host."""


class OwnerSearch:
    """Looks below *proc*; *cpu* is the processor time of this thread in seconds."""

    def __init__(self, proc: Path = Path("/proc"), cpu: Callable[[], float] = time.thread_time) -> None:
        self._proc, self._cpu = proc, cpu
        self._walk: DescriptorWalk | None = None
        self._missing: dict[int, HolderClue] = {}
        """By inode."""
        self._found: dict[HolderClue, Process] = {}
        """Since it was last asked for."""
        self._next = 0.0
        self._warned = False

    def is_ready(self, now: float) -> bool:
        """Whether a search may begin at the monotonic time *now*."""
        return self._walk is None and now >= self._next

    def begin(self, clues: Collection[HolderClue], first: Iterable[int], now: float) -> None:
        """Search for who holds the sockets that these *clues* are for, in the processes *first* and then in all."""
        by_pid = {clue: processes.named(clue.pid) for clue in clues if clue.pid}
        self._found |= by_pid
        self._missing = {clue.inode: clue for clue in clues if clue not in by_pid}
        if self._missing:
            self._walk = DescriptorWalk(self._proc, self._missing, first)
            self._next = now + SEARCH_SECONDS

    def stop(self) -> None:
        """Search no more."""
        self._walk, self._missing = None, {}

    def go_on(self, seconds: float) -> Mapping[HolderClue, Process]:
        """Search for about so many *seconds* of processor time.

        Gives what was found since the last call, and NO_PROCESS for what was not found once all have been looked into.
        """
        deadline = self._cpu() + seconds
        going = True
        while self._walk and going and self._cpu() < deadline:
            going = self._walk.step()
        if self._walk:
            self._learn(self._walk, over=not going)
        found, self._found = self._found, {}
        return found

    def _learn(self, walk: DescriptorWalk, *, over: bool) -> None:
        for inode in walk.found.keys() & self._missing.keys():
            self._found[self._missing.pop(inode)] = walk.found[inode]
        if over:
            self._found |= dict.fromkeys(self._missing.values(), NO_PROCESS)
            self._warn(walk)
            self.stop()

    def _warn(self, walk: DescriptorWalk) -> None:
        if walk.refused and self._missing and not self._warned:
            self._warned = True
            log.warning(
                "the processes of %d stuck sockets are left empty: looking into those of other users"
                " takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
                len(self._missing),
            )
