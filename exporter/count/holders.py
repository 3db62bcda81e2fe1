"""Who holds the stuck sockets: whose process is not known, where to look for it, and what has been found.

What has been found may change: a process ends, and a child of its has the socket still; it closes its copy, or starts
others that share it. So known holders are looked for again, some at a time; and those of a process that has ended are
not told of it any more from the next sample on.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple

from exporter.count.alike import Alike, Group, Hold
from exporter.count.groups import Groups
from exporter.count.known import KnownRows
from exporter.count.neighbours import Neighbours
from exporter.count.sought import Sought
from exporter.count.unaccepted import Unaccepted
from exporter.tcp.holders import Crowd, HeldBy, HolderClue, Process, together, without_managers
from exporter.tcp.reading import Decode
from exporter.tcp.sockets import Listener

VAIN_SECONDS = 60.0
"""How long nobody looks again for a holder that was not found."""
ALIVE = 200
"""Processes that are asked for in a sample, whether they still are: those that hold most."""


class _Summary(NamedTuple):
    """What follows from all groups of stuck sockets, so that it need not be found out for each."""

    sockets: Mapping[tuple[int, HeldBy | None], int]
    """By number of the cgroup that they were made in, or the socket at which they wait, and by who holds that."""
    present: Mapping[HeldBy | None, HeldBy]
    """Those of all holders that still are."""
    processes: Sequence[Process]
    """All of these, who holds most stuck sockets first."""
    neighbours: Neighbours
    told: dict[tuple[int, HeldBy], tuple[int, Process]]
    """What ``Holders.of`` has said of held ones."""


class Holders:
    """Processes by socket, which the groups remember, and by listening socket, which have those not yet accepted."""

    def __init__(self, known: KnownRows, groups: Groups) -> None:
        self._known, self._groups = known, groups
        self._unaccepted = Unaccepted()
        self._sought = Sought(known, groups)
        self._of_listeners: dict[int, HeldBy] = {}
        """By inode; empty if they were sought in vain."""
        self._ended: set[Process] = set()
        self._crowds: Mapping[int, Crowd] = {}
        """By number of the cgroup."""
        self._summary: _Summary | None = None
        """None after a change."""
        self._vain_until = 0.0
        self._retries = False
        """Whether some that were sought in vain are to be sought again."""

    def follow(self, listeners: Collection[Listener], now: float) -> None:
        """Go by the *listeners* of a complete reading."""
        self._summary = None
        self._unaccepted.follow(listeners, self._stuck(), now)
        self._forget_gone(listeners)
        if now >= self._vain_until:
            self._vain_until = now + VAIN_SECONDS
            self._seek_again()

    def _stuck(self) -> Iterator[Group]:
        return (group for group in self._groups if group.stuck)

    def _forget_gone(self, listeners: Collection[Listener]) -> None:
        if self._of_listeners:
            inodes = {listener.inode for listener in listeners}
            self._of_listeners = {inode: held_by for inode, held_by in self._of_listeners.items() if inode in inodes}
        if self._ended:
            told = [*(group.alike.holders or () for group in self._groups), *self._of_listeners.values()]
            self._ended &= set(chain.from_iterable(told))

    def _seek_again(self) -> None:
        self._retries = True
        self._known.forget_vain()
        self._of_listeners = {inode: held_by for inode, held_by in self._of_listeners.items() if held_by}

    def lose(self, ended: AbstractSet[Process]) -> None:
        """These processes are no more: what they held has other holders, or it would be gone."""
        if ended:
            self._ended |= ended
            self._summary = None

    def meet(self, crowds: Mapping[int, Crowd]) -> None:
        """Go by who is in cgroups, by number."""
        if crowds != self._crowds:
            self._crowds, self._summary = crowds, None

    def of(self, alike: Alike) -> tuple[int, Process]:
        """Number of the cgroup that the sockets were made in, and their process; NO_PROCESS if it is not known.

        Several processes are one with what they share. The number is 0 where they do not share a cgroup either.
        """
        listeners = self._unaccepted.at(alike)
        if listeners:
            return self._of_waiting(alike, listeners)
        if alike.holders and self._present(alike.holders):
            return self._of_held(alike.cgroup_id, alike.holders)
        return alike.cgroup_id, self._left_by(alike) or together(self._likely(alike))

    def having(self, alike: Alike) -> HeldBy:
        """All processes that have a descriptor of the sockets, known or likely; empty if none is known, or has one."""
        if alike.hold is not Hold.HELD:
            return ()
        return self._present(alike.holders) or self._likely(alike)

    def _of_held(self, cgroup_id: int, holders: HeldBy) -> tuple[int, Process]:
        told = self._all().told
        if (cgroup_id, holders) not in told:
            told[cgroup_id, holders] = _shared({cgroup_id}, self._present(holders))
        return told[cgroup_id, holders]

    def _of_waiting(self, alike: Alike, listeners: Sequence[Listener]) -> tuple[int, Process]:
        each = [self._of_listener(listener, alike) for listener in listeners]
        numbers = {listener.cgroup_id for listener in listeners}
        # One that is not known may be anybody: nothing is told of the others then.
        return _shared(numbers, tuple(dict.fromkeys(chain.from_iterable(each))) if all(each) else ())

    def _of_listener(self, listener: Listener, alike: Alike) -> HeldBy:
        neighbours = self._all().neighbours
        holders = self._present(self._of_listeners.get(listener.inode or 0))
        if holders:
            return neighbours.accepting(alike.service, holders)
        members = neighbours.members(listener.cgroup_id)
        return (together(members),) if members else ()

    def _left_by(self, alike: Alike) -> Process | None:
        """Who had the sockets that nobody has any more; without its number, which may be another's by now."""
        return together(alike.holders)._replace(pid=0) if alike.hold is Hold.LEFT and alike.holders else None

    def _likely(self, alike: Alike) -> HeldBy:
        may_join = alike.hold is Hold.HELD and alike.holders != ()
        known = self._all().neighbours.holders(alike) if may_join else ()
        return known or self._all().neighbours.members(alike.cgroup_id)

    def _present(self, holders: HeldBy | None) -> HeldBy:
        return without_managers(tuple(process for process in holders or () if process not in self._ended))

    def _all(self) -> _Summary:
        if self._summary is None:
            sockets: Counter[tuple[int, HeldBy | None]] = Counter()
            for group in self._stuck():
                for made_in in self._made_in(group.alike):
                    sockets[made_in] += group.stuck
            present = {holders: self._present(holders) for _, holders in sockets}
            held = ((group, present[group.alike.holders]) for group in self._held())
            self._summary = _Summary(sockets, present, _by_most(sockets, present), Neighbours(held, self._crowds), {})
        return self._summary

    def _made_in(self, alike: Alike) -> Iterable[tuple[int, HeldBy | None]]:
        listeners = self._unaccepted.at(alike)
        if listeners:
            return [(listener.cgroup_id, self._of_listeners.get(listener.inode or 0)) for listener in listeners]
        return ((alike.cgroup_id, alike.holders),)

    def _held(self) -> Iterator[Group]:
        return (group for group in self._stuck() if group.alike.hold is Hold.HELD)

    def cgroup_ids(self) -> frozenset[int]:
        """Of the stuck sockets, and of the listening ones at which they wait, as far as they are told."""
        return frozenset(number for number, _ in self._all().sockets) - {0}

    def nameless(self) -> frozenset[int]:
        """Those of them whose sockets have no holder that is known."""
        known = self._all()
        return frozenset(number for number, holders in known.sockets if not known.present[holders]) - {0}

    def pids(self) -> Sequence[int]:
        """Of the processes that are known, who holds most stuck sockets first."""
        return list(dict.fromkeys(process.pid for process in self._all().processes))

    def likely_pids(self) -> Sequence[int]:
        """Of the processes in the cgroups of sockets of which no holder is known."""
        return [process.pid for number in self.nameless() for process in self._all().neighbours.members(number)]

    def processes(self) -> Sequence[Process]:
        """Those that hold most: some, for their number is not bounded."""
        return self._all().processes[:ALIVE]

    @property
    def is_any_held(self) -> bool:
        """Whether there are stuck sockets that have holders, known or not."""
        return any(True for _ in self._held()) or any(self._unaccepted.at(group.alike) for group in self._stuck())

    @property
    def is_any_lost(self) -> bool:
        """Whether there are some whose holder has ended."""
        held = chain(self._of_listeners.values(), (group.alike.holders or () for group in self._held()))
        return bool(self._ended) and not all(map(self._ended.isdisjoint, held))

    @property
    def is_any_unknown(self) -> bool:
        """Whether there is anything to seek."""
        return any(True for _ in self._unknown_listeners()) or any(map(self._is_unknown, self._held()))

    def seek(self, decode: Decode, *, check: bool = False) -> Sequence[HolderClue]:
        """Where to look for the holders that are not known, and for a *check* also for some that are."""
        held = set(self._held())
        unknown = set(filter(self._is_unknown, held))
        known = {group for group in held - unknown if group.alike.holders} if check else set()
        clues = self._sought.choose(self._unknown_listeners(check=check), unknown, known, decode)
        self._retries = self._retries and not self._sought.has_all
        return clues

    def _unknown_listeners(self, *, check: bool = False) -> Iterator[int]:
        """Their inodes; for a *check* also of those that are known."""
        for group in self._stuck():
            for listener in self._unaccepted.at(group.alike):
                known = self._of_listeners.get(listener.inode or 0)
                if listener.inode and (known is None or (known and check) or not self._ended.isdisjoint(known)):
                    yield listener.inode

    def _is_unknown(self, group: Group) -> bool:
        holders = group.alike.holders
        return not self._ended.isdisjoint(holders) if holders else holders is None or self._retries

    def learn(self, found: Mapping[HolderClue, HeldBy], decode: Decode) -> None:
        """Go by the processes that were *found* for clues: nobody if a search has ended without any."""
        if found:
            self._of_listeners |= self._sought.learn(found, decode)
            self._summary = None


def _by_most(
    sockets: Mapping[tuple[int, HeldBy | None], int], present: Mapping[HeldBy | None, HeldBy]
) -> Sequence[Process]:
    found: Counter[Process] = Counter()
    for (_, holders), held in sockets.items():
        for process in present[holders]:
            found[process] += held
    return [process for process, _ in found.most_common()]


def _shared(cgroup_ids: AbstractSet[int], holders: HeldBy) -> tuple[int, Process]:
    process = together(holders)
    is_in_one = len(cgroup_ids) == 1 and (len(holders) < 2 or process.cgroup)
    return (next(iter(cgroup_ids)) if is_in_one else 0), process
