"""Whose the network namespaces are: pods, containers, units, or what somebody has named in /run/netns.

All is found without asking Kubernetes or a container runtime, by the cgroups of the processes in a namespace (see
``tcp.naming``), which anybody may read. Which processes are in it is known to who may look into them, or to a source
that has been told by the kernel.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from exporter.kernel import netns, pods, processes
from exporter.kernel.netns import Places
from exporter.tcp import naming
from exporter.tcp.holders import Process
from exporter.tcp.namespaces import OURS, OWN, Namespace
from exporter.tcp.pods import Pod

Members = Callable[[], Mapping[int, Sequence[int]]]
"""Gives the numbers of processes in each namespace, by its own number: of many some, but the same each time. May raise
OSError."""

EACH = 8
"""Processes of a namespace that are asked who they are: those with the lowest numbers, mostly the first."""
MOST = 1_000
"""Namespaces that are named, of those that are asked for; the others are told by their numbers."""
STALE_SECONDS = 60.0
"""After which all are looked at again."""
KEPT_SECONDS = 600.0
"""For which a name is kept that is not asked for."""
_SHARE = 0.005
"""Of one core, that looks may take."""
_LONGEST_SECONDS = 0.1
"""Of processor time in which processes are asked in one look; the rest has to wait for the next."""


class Namespaces:
    """Names by the number of the namespace, as long as they are asked for.

    In *named* are the files that ip-netns(8) and container runtimes bind namespaces to, in *pods* the kubelet's
    directories of logs. *members* is by default read from /proc. *cpu* is the processor time of this thread in seconds.
    """

    def __init__(
        self,
        proc: Path = Path("/proc"),
        named: Path = Path("/run/netns"),
        pods: Path = Path("/var/log/pods"),
        members: Members | None = None,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._proc, self._named, self._pods, self._cpu = proc, named, pods, cpu
        self._members = members or partial(netns.members, proc)
        self._sees_host = not processes.is_in_namespace(proc)
        self._ours = {OWN: OURS, netns.own(proc): OURS}
        self._places = Places({}, {})
        self._called: dict[int, Namespace] = {}
        self._told: dict[int, Namespace] = dict(self._ours)
        self._asked: dict[int, float] = {}
        self._next = self._stale_at = 0.0

    def look(self, numbers: Collection[int], now: float) -> Mapping[int, Namespace]:
        """What the namespaces with these *numbers* are called, OURS for OWN; those that are not found, their numbers.

        *now* is in seconds, on any clock that does not go back. Most calls ask the kernel for no more than whether a
        process of each is still there.
        """
        self._ask(numbers, now)
        if now >= self._next and self._is_due(numbers, now):
            self._look_again(now)
        return {number: self._told.get(number) or naming.of_number(number) for number in numbers}

    def found(self, now: float) -> Collection[int]:
        """The numbers of all namespaces but ours that processes are in, or files are bound to; and ask for them all."""
        if now >= self._next:
            self._look_again(now, at_all=True)
        return self._others()

    def members(self) -> Mapping[int, Sequence[int]]:
        """The processes in each, by its number, as they were last found."""
        return self._places.pids

    def open(self, number: int) -> int:
        """A descriptor of the namespace by that number for setns(2), which the caller closes. Raises OSError."""
        return netns.opened(number, self._paths(number))

    def _paths(self, number: int) -> Iterator[str]:
        yield from (f"{self._proc}/{pid}/ns/net" for pid in self._places.pids.get(number, ())[:EACH])
        yield from (f"{self._named}/{file}" for file in filter(None, [self._places.files.get(number)]))

    def _is_due(self, numbers: Collection[int], now: float) -> bool:
        if now >= self._stale_at or not all(number in self._told for number in numbers):
            return True
        pids = (self._told[number].pid for number in numbers)
        return not all(processes.exists(self._proc, pid) for pid in pids if pid)

    def _ask(self, numbers: Collection[int], now: float) -> None:
        self._asked.update(dict.fromkeys(numbers, now))

    def _others(self) -> Collection[int]:
        return self._places.numbers() - self._ours.keys()

    def _look_again(self, now: float, *, at_all: bool = False) -> None:
        begun, before = self._cpu(), self._places
        with suppress(OSError):
            self._places = Places(self._members(), netns.files(self._proc, self._named))
        if at_all:
            self._ask(self._others(), now)
        self._forget(now)
        self._name_all(before, begun, anew=now >= self._stale_at)
        self._told = self._ours | naming.distinct(self._called.values(), self._told)
        if now >= self._stale_at:
            self._stale_at = now + STALE_SECONDS
        self._next = now + (self._cpu() - begun) / _SHARE

    def _forget(self, now: float) -> None:
        """Of too many, those stay that are known."""
        asked = {number: at for number, at in self._asked.items() if now - at < KEPT_SECONDS}
        most = sorted(asked.keys() - self._ours.keys(), key=lambda number: (number not in self._called, number))[:MOST]
        self._asked = {number: asked[number] for number in most}
        self._called = {number: self._called[number] for number in most if number in self._called}

    def _name_all(self, before: Places, begun: float, *, anew: bool) -> None:
        """Those first that have no name yet; those that have one only if they are to be named *anew*."""
        on_node = pods.listed(self._pods)
        for number in sorted(self._asked, key=lambda number: number in self._called):
            if self._cpu() - begun >= _LONGEST_SECONDS:
                return
            if not self._is_named(number, anew=anew):
                self._called[number] = self._name(number, on_node, before)

    def _is_named(self, number: int, *, anew: bool) -> bool:
        """Whether it has a name, and still the process that it was found through."""
        known = self._called.get(number)
        if known is None or known.pid not in self._places.pids.get(number, ()):
            return False
        return naming.is_final(known) or not anew

    def _name(self, number: int, on_node: Mapping[str, Pod], before: Places) -> Namespace:
        pids, known = self._places.pids.get(number, ()), self._called.get(number)
        if processes.INIT in pids and self._sees_host:
            return naming.of_host(number, processes.INIT)
        found = naming.best(number, self._places.files.get(number, ""), self._processes(pids), on_node)
        is_same = self._places.shares(number, before)
        return naming.settled(known, found, is_same=is_same) if known else found

    def _processes(self, pids: Sequence[int]) -> Iterator[Process]:
        """The first of them; without those that have ended meanwhile."""
        for pid in sorted(pids)[:EACH]:
            with suppress(OSError):
                yield processes.process(self._proc, pid)
