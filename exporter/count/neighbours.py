"""What is known of the sockets and processes of a cgroup, for a socket whose holder is not known.

    it has not been sought yet      who holds the other stuck sockets of its cgroup, if these are processes of one name
    otherwise                       the processes that are in its cgroup now, if these have one name

The newest sockets of a leak have not been sought yet: without this, they would have an owner of their own, for a while,
again and again. The second takes no privilege. It is not told of a cgroup that sockets are made in for others, nor
where it cannot be so: others hold sockets of that cgroup, or more sockets are held than its processes have descriptors.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from exporter.count.alike import Alike, Group
from exporter.tcp.cgroups import Says, is_manager, says
from exporter.tcp.holders import NO_PROCESS, NOBODY, Crowd, HeldBy, Process, together
from exporter.tcp.sockets import Service

ROOT = 1
"""The number of the root of the hierarchy (kernfs). What is made there has no more in common than its service; the same
holds where the number is not told, which is 0."""

_Place = tuple[int, Service | None]


class Neighbours:
    """Made from the *groups* of held stuck sockets, each with its processes, and from who is in cgroups, by number."""

    def __init__(self, groups: Iterable[tuple[Group, HeldBy]], crowds: Mapping[int, Crowd]) -> None:
        self._crowds = crowds
        self._common: dict[_Place, HeldBy] = {}
        self._members: dict[int, HeldBy] = {}
        """As far as these have been asked for."""
        self._holders: defaultdict[_Place, set[Process]] = defaultdict(set)
        self._sockets: Counter[int] = Counter()
        self._accepting: defaultdict[Service, set[str]] = defaultdict(set)
        for group, holders in groups:
            self._sockets[group.alike.cgroup_id] += group.stuck
            if holders:
                self._enter(group.alike, holders)

    def _enter(self, alike: Alike, holders: HeldBy) -> None:
        self._holders[_place(alike)].update(holders)
        if alike.service.role == "server":
            self._accepting[alike.service].update(process.cgroup for process in holders)

    def holders(self, alike: Alike) -> HeldBy:
        """Who holds the others of the cgroup; empty if it is nobody, or processes of several names."""
        place = _place(alike)
        if place not in self._common:
            self._common[place] = _of_one_name(self._holders.get(place, ()))
        return self._common[place]

    def members(self, cgroup_id: int) -> HeldBy:
        """Who is in the cgroup; empty if that is not known, or tells nothing."""
        if cgroup_id not in self._members:
            is_telling = self._is_telling(cgroup_id, self._crowds.get(cgroup_id, NOBODY))
            self._members[cgroup_id] = self._crowds[cgroup_id].processes if is_telling else ()
        return self._members[cgroup_id]

    def _is_telling(self, cgroup_id: int, crowd: Crowd) -> bool:
        found = together(_of_one_name(crowd.processes))
        others = {process.name for process in self._holders.get((cgroup_id, None), ())} - {found.name}
        too_few = crowd.descriptors is not None and crowd.descriptors < self._sockets[cgroup_id]
        makes_for_others = says(found.cgroup) <= Says.LITTLE or is_manager(found.cgroup)
        return not (found == NO_PROCESS or others or too_few or makes_for_others)

    def accepting(self, service: Service, holders: HeldBy) -> HeldBy:
        """Those of the *holders* of its listening socket that accept, as far as it is known; or all of them.

        Who opens a listening socket for another may keep it as well: systemd does, and helpers that open reserved
        ports. Of holders in several cgroups those accept in whose cgroup accepted sockets are held.
        """
        cgroups = self._accepting.get(service, ())
        return tuple(process for process in holders if process.cgroup in cgroups) or holders


def _place(alike: Alike) -> _Place:
    return alike.cgroup_id, None if alike.cgroup_id > ROOT else alike.service


def _of_one_name(processes: Collection[Process]) -> HeldBy:
    names = {process.name for process in processes}
    return tuple(processes) if len(names) == 1 else ()
