"""The search for the processes that hold some sockets: asked of the kernel little by little."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from exporter.kernel import processes
from exporter.kernel.descriptors import DescriptorWalk
from exporter.kernel.listed_holders import ListedHolders
from exporter.tcp.holders import NO_PROCESS, AskHeld, HeldBy, HolderClue, Process

log = logging.getLogger(__name__)

SEARCH_SECONDS = 15.0
"""Between the beginnings of two searches, of which each may go through the descriptors of the whole host."""
URGENT_SHARE = 0.02
"""Of one core, that searches may take which do not wait for that, since a holder has ended."""
CHECK_SECONDS = 5.0
"""At least, from the beginning of a search to one that looks whether known holders still are."""
CHECK_SHARE = 0.002
"""Of one core, that those may take."""

_CAPABILITIES = "looking into those of other users takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
_NAMESPACE = (
    "only those of the exporter's own PID namespace are to be seen, it has to run in theirs"
    " (docker run --pid host; hostPID or shareProcessNamespace in Kubernetes)"
)


class OwnerSearch:
    """Looks below *proc*; *cpu* is the processor time of this thread in seconds.

    *peers* gives the numbers of the processes in the cgroup with a path, as far as these may share sockets.
    """

    def __init__(
        self,
        proc: Path = Path("/proc"),
        cpu: Callable[[], float] = time.thread_time,
        peers: Callable[[str], Sequence[int]] = lambda _: (),
    ) -> None:
        self._proc, self._cpu, self._peers = proc, cpu, peers
        self._walk: DescriptorWalk | ListedHolders | None = None
        self._clues: dict[int, HolderClue] = {}
        """By inode."""
        self._found: dict[HolderClue, HeldBy] = {}
        """Since it was last asked for."""
        self._told: dict[HolderClue, HeldBy] = {}
        """What was found in the walk, as it was last told."""
        self._begun, self._spent, self._is_check = 0.0, 0.0, False
        self._next, self._next_urgent, self._next_check = 0.0, 0.0, 0.0
        self._warned: set[str] = set()

    def is_ready(self, now: float, *, is_urgent: bool = False) -> bool:
        """Whether a search may begin at the monotonic time *now*."""
        return self._walk is None and now >= (self._next_urgent if is_urgent else self._next)

    def is_check_due(self, now: float) -> bool:
        """Whether it is time to look whether known holders still are."""
        return now >= self._next_check

    def ended(self, known: Iterable[Process]) -> set[Process]:
        """Those of the *known* processes that are no more."""
        return processes.ended(self._proc, known)

    def begin(
        self,
        clues: Collection[HolderClue],
        first: Iterable[int],
        now: float,
        *,
        is_check: bool = False,
        held: AskHeld | None = None,
    ) -> None:
        """Search for who holds the sockets that these *clues* are for, in the processes *first* and then in all.

        Or ask who has what is *held*, where the kernel tells. It is a check if holders of some of them are known.
        """
        by_pid = {clue: _named(clue.pid) for clue in clues if clue.pid}
        self._found |= by_pid
        self._clues = {clue.inode: clue for clue in clues if clue not in by_pid}
        if self._clues:
            self._walk = (
                ListedHolders(self._proc, self._clues, held)
                if held
                else DescriptorWalk(self._proc, self._clues, first, self._kin)
            )
            self._told = {}
            self._begun, self._spent, self._is_check = now, 0.0, is_check
            self._next = self._next_urgent = now + SEARCH_SECONDS

    def _kin(self, process: Process) -> Sequence[int]:
        return [*processes.family(self._proc, process.pid), *self._peers(process.cgroup)]

    def stop(self) -> None:
        """Search no more."""
        self._walk, self._clues, self._told = None, {}, {}

    def go_on(self, seconds: float) -> Mapping[HolderClue, HeldBy]:
        """Search for about so many *seconds* of processor time.

        Gives what was found since the last call; and for what was not found once all have been looked into, that nobody
        was. A clue is told of again if more holders have been found.
        """
        begun = self._cpu()
        going = True
        while self._walk and going and self._cpu() < begun + seconds:
            going = self._walk.step()
        if self._walk:
            self._spent += self._cpu() - begun
            self._learn(self._walk, over=not going)
        found, self._found = self._found, {}
        return found

    def _learn(self, walk: DescriptorWalk | ListedHolders, *, over: bool) -> None:
        found = walk.found if over else walk.settled()
        by_clue = {self._clues[inode]: holders for inode, holders in found.items()}
        self._found |= dict(by_clue.items() - self._told.items())
        self._told |= by_clue
        if over:
            self._end(walk)

    def _end(self, walk: DescriptorWalk | ListedHolders) -> None:
        missing = set() if walk.is_blind else self._clues.values() - self._told.keys()
        self._found |= dict.fromkeys(missing, ())
        if missing:
            self._warn(walk, len(missing))
        self._next_urgent = self._begun + min(SEARCH_SECONDS, self._spent / URGENT_SHARE)
        if isinstance(walk, ListedHolders):
            self._next = self._next_urgent
        pause = max(CHECK_SECONDS, self._spent / CHECK_SHARE) if self._is_check else CHECK_SECONDS
        self._next_check = max(self._next_check, self._begun + pause)
        self.stop()

    def _warn(self, walk: DescriptorWalk | ListedHolders, missing: int) -> None:
        """Say once of each hindrance what to do about it."""
        visible = processes.pids(self._proc)
        hidden = bool(visible) and processes.INIT not in visible  # by the mount option hidepid
        hindrances = {
            _CAPABILITIES: bool(walk.refused) or hidden,
            _NAMESPACE: not walk.found and processes.is_in_namespace(self._proc),
        }
        for hint in [hint for hint, holds in hindrances.items() if holds and hint not in self._warned]:
            self._warned.add(hint)
            log.warning("the processes that hold %d stuck sockets were not found: %s", missing, hint)


def _named(pid: int) -> HeldBy:
    found = processes.named(pid)
    return () if found is NO_PROCESS else (found,)
