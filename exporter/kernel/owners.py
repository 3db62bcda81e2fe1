"""Who holds the sockets that are stuck: asked of the kernel little by little, and remembered.

A holder is remembered by the identity of the socket, so that an orphan keeps the name of the process that left it.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from exporter.kernel.cgroups import Cgroups
from exporter.kernel.descriptors import DescriptorWalk
from exporter.tcp.holders import NO_PROCESS, HolderClue, Owner, Process
from exporter.tcp.sockets import Identity

log = logging.getLogger(__name__)

SEARCH_SECONDS = 15.0
"""Between the beginnings of two searches, of which each may go through the descriptors of the whole host."""
FORGET_SECONDS = 60.0
"""How long the holder of a socket that is gone may be remembered, and nobody be looked for in vain."""


class OwnerSearch:
    """Finds and remembers holders; *cpu* is the processor time of this thread in seconds."""

    def __init__(
        self,
        proc: Path = Path("/proc"),
        cgroups: Cgroups | None = None,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._proc, self._cpu = proc, cpu
        self.cgroups = cgroups or Cgroups(cpu=cpu)
        self.holders: dict[Identity, Process] = {}
        self._search: DescriptorWalk | None = None
        self._looked_for: Mapping[Identity, HolderClue] = {}
        self._next_search = self._next_forgetting = 0.0
        self._warned = False

    def owner(self, cgroup: int, held_by: Process) -> Owner:
        """Of a socket: its own *cgroup* where that says anything, else that of the process."""
        path = self.cgroups.path(cgroup)
        return Owner(path if len(path) > 1 else held_by.cgroup or path, held_by.process, held_by.pid)

    def look(self, wanted: Mapping[Identity, HolderClue], now: float, seconds: float) -> None:
        """Look for those *wanted* for about so many seconds of processor time, and go on at the next call."""
        processes = {pid: _named(pid) for pid in {one.pid for one in wanted.values()} if pid}
        self.holders |= {identity: processes[one.pid] for identity, one in wanted.items() if one.pid}
        by_inode = {identity: one for identity, one in wanted.items() if one.inode and not one.pid}
        if not by_inode:
            self._search = None
        elif self._search is None and now >= self._next_search:
            self._begin(by_inode, now)
        self._go_on(seconds)

    def _begin(self, wanted: Mapping[Identity, HolderClue], now: float) -> None:
        known = Counter(one.pid for one in self.holders.values() if one.pid)
        first = [pid for pid, _ in known.most_common()]
        self._search = DescriptorWalk(self._proc, (one.inode for one in wanted.values()), first)
        self._looked_for, self._next_search = wanted, now + SEARCH_SECONDS

    def _go_on(self, seconds: float) -> None:
        deadline = self._cpu() + seconds
        going = True
        while self._search and going and self._cpu() < deadline:
            going = self._search.step()
        if self._search:
            self._learn(self._search, over=not going)

    def _learn(self, search: DescriptorWalk, *, over: bool) -> None:
        for identity, one in self._looked_for.items():
            if one.inode in search.found:
                self.holders[identity] = search.found[one.inode]
            elif over:
                self.holders[identity] = NO_PROCESS
        if over:
            self._search = None
            self._warn(search)

    def _warn(self, search: DescriptorWalk) -> None:
        in_vain = sum(one.inode not in search.found for one in self._looked_for.values())
        if search.refused and in_vain and not self._warned:
            self._warned = True
            log.warning(
                "the processes of %d stuck sockets are left empty: looking into those of other users"
                " takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
                in_vain,
            )

    def forget(self, is_alive: Callable[[Identity], bool], now: float) -> None:
        """Forget from time to time the holders of sockets that are no longer alive, and who was sought in vain."""
        if now < self._next_forgetting:
            return
        self._next_forgetting = now + FORGET_SECONDS
        for identity in [key for key, one in self.holders.items() if one is NO_PROCESS or not is_alive(key)]:
            del self.holders[identity]


def _named(pid: int) -> Process:
    """The process by that number, on any system."""
    import psutil  # noqa: PLC0415 - only a source that uses it knows a pid

    try:
        return Process(pid, psutil.Process(pid).name(), "")
    except psutil.Error:
        return NO_PROCESS
