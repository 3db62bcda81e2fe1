"""Whose the stuck sockets are: asks the kernel for what the memory of a sample has to know of processes."""

from collections.abc import Mapping
from itertools import chain

from exporter.count.census import Memory
from exporter.count.holders import Holders
from exporter.count.rules import OwnerRules
from exporter.kernel.cgroups import Cgroups
from exporter.kernel.closed import ClosedSearch
from exporter.kernel.descriptor_use import DescriptorUse
from exporter.kernel.members import Members
from exporter.kernel.owners import OwnerSearch
from exporter.kernel.sockstat import ClosedSockets
from exporter.sampling.clocks import Clocks
from exporter.tcp.holders import Descriptors
from exporter.tcp.reading import Reading


class Whose:
    """The searches, each of which goes on from sample to sample."""

    def __init__(self, clocks: Clocks) -> None:
        self._cpu = clocks.cpu
        self._cgroups = Cgroups(cpu=clocks.cpu)
        self._members = Members(self._cgroups.pids)
        self._owners = OwnerSearch(cpu=clocks.cpu, peers=self._cgroups.pids)
        self._closed_sockets = ClosedSockets()
        self._closed = ClosedSearch(cpu=clocks.cpu)
        self._use = DescriptorUse()

    def cgroup(self, number: int) -> str:
        """The path of the cgroup by that number; empty if it is not known."""
        return self._cgroups.path(number)

    def explain(
        self, memory: Memory, reading: Reading, rules: OwnerRules, now: float, seconds: float
    ) -> Mapping[int, Descriptors]:
        """Tell the *memory* what is found in about so many *seconds* of processor time.

        Gives the descriptors of the processes that it knows, by number.
        """
        holders, begun = memory.watched.holders, self._cpu()
        is_told = reading.held is not None
        memory.closed.note(None if is_told else self._closed_sockets.count(now), now, is_told=is_told)
        if rules.enabled:
            self._cgroups.look(holders.cgroup_ids(), now)
        if not (rules.enabled and rules.processes):
            return {}
        self._find_owners(holders, reading, now, seconds)
        self._find_closed(memory, reading, now, max(seconds / 4, seconds - (self._cpu() - begun)))
        closed = (process.pid for process in memory.closed.by_process())
        return self._use.of(chain(holders.pids(), memory.exhaustion.pids(), closed, holders.likely_pids()), now)

    def _find_owners(self, holders: Holders, reading: Reading, now: float, seconds: float) -> None:
        holders.lose(self._owners.ended(holders.processes()))
        known = holders.pids()
        check = bool(known) and self._owners.is_check_due(now)
        if not holders.is_any_held:
            self._owners.stop()
        elif self._owners.is_ready(now, is_urgent=check or holders.is_any_lost) and (check or holders.is_any_unknown):
            clues = holders.seek(reading.socket, check=check)
            self._owners.begin(clues, known, now, is_check=check, held=reading.held)
        holders.learn(self._owners.go_on(seconds), reading.socket)
        holders.meet(self._members.of(self._cgroups.paths(holders.nameless()), now))

    def _find_closed(self, memory: Memory, reading: Reading, now: float, seconds: float) -> None:
        """Only where the kernel lists them, or inodes are told, can it be said which sockets are in no table."""
        closed = memory.closed
        closed.lose(self._owners.ended(closed.by_process()))
        is_ready = self._closed.is_ready(now)
        if reading.held and is_ready:
            self._closed.ask(reading.held, closed.suspects, now)
        elif is_ready and reading.tells_verdicts and reading.shows_inodes:
            pids = closed.whom((*memory.watched.holders.pids(), *memory.exhaustion.pids()))
            self._closed.begin(pids, closed.suspects, now, everywhere=bool(reading.elsewhere))
        if look := self._closed.go_on(seconds):
            closed.learn(look)
