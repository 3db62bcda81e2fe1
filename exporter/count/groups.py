"""The groups of the watched sockets that are known, kept right while these come, change and go."""

from array import array
from collections.abc import Iterator, Sequence
from heapq import nsmallest
from itertools import chain
from math import inf
from operator import attrgetter

from exporter.count.alike import Alike, Group, Listed, Place
from exporter.count.known import STUCK, YOUNG, KnownRows
from exporter.tcp.reading import Decode
from exporter.tcp.sockets import Service
from exporter.tcp.states import State

LISTED = 4000
"""Stuck sockets that are listed one by one; the services and states that have any share the places."""
LISTED_EACH = 1000
"""Of these, at most of one service and state."""


class Groups:
    """The groups of the *known* rows, kept right while rows come, change and go."""

    def __init__(self, known: KnownRows) -> None:
        self._known = known
        self._groups: dict[Alike, Group] = {}
        self._places: dict[tuple[State, Service], Place] = {}
        self._stuck_places: set[Place] = set()
        self._stale_groups: set[Group] = set()
        """Whose oldest socket may have gone."""
        self._stale_places: set[Place] = set()
        """Whose list has to be made anew."""
        self._each = LISTED_EACH
        self.listed: Sequence[Listed] = ()
        """The oldest stuck sockets of each service and state, the oldest first."""

    def __iter__(self) -> Iterator[Group]:
        """Those that have sockets which the last reading has shown."""
        return (group for group in self._groups.values() if group.present)

    def join(self, slot: int, alike: Alike) -> None:
        """Put the row in *slot*, which is in no group, into one."""
        group = self._groups.get(alike) or self._new(alike)
        group.known += 1
        self._known.groups[slot] = group
        self._count(slot, 1)

    def _new(self, alike: Alike) -> Group:
        place = self._places.setdefault((alike.state, alike.service), Place())
        place.groups += 1
        group = self._groups[alike] = Group(alike, place)
        return group

    def leave(self, slot: int) -> None:
        """Take the row out of its group."""
        self._count(slot, -1)
        group = self._known.groups[slot]
        group.known -= 1
        if not group.known:
            self._end(group)

    def _end(self, group: Group) -> None:
        del self._groups[group.alike]
        self._stale_groups.discard(group)
        group.place.groups -= 1
        if not group.place.groups:
            del self._places[group.alike.state, group.alike.service]

    def move(self, slot: int, alike: Alike) -> None:
        """Put the row into another group."""
        if alike != self._known.groups[slot].alike:
            self.leave(slot)
            self.join(slot, alike)

    def restate(self, slot: int, status: int, alike: Alike) -> None:
        """Give the row another status and another group."""
        self.leave(slot)
        self._known.status[slot] = status
        self.join(slot, alike)

    def promote(self, slot: int) -> None:
        """Call the row stuck, which has been YOUNG."""
        self._known.status[slot] = STUCK
        self._count_stuck(slot, 1)

    def demote(self, slot: int) -> None:
        """Call it stuck no more."""
        self._count_stuck(slot, -1)
        self._known.status[slot] = YOUNG

    def hide(self, slot: int) -> None:
        """The reading has missed the row."""
        self._count(slot, -1)
        self._known.missed[slot] = 1

    def show(self, slot: int) -> None:
        """It is there again."""
        self._known.missed[slot] = 0
        self._count(slot, 1)

    def _count(self, slot: int, by: int) -> None:
        """Count the row in its group, if the reading has shown it."""
        if self._known.missed[slot]:
            return
        group, since = self._known.groups[slot], self._known.since[slot]
        group.present += by
        if by > 0:
            group.oldest_since = min(group.oldest_since, since)
        elif since <= group.oldest_since:
            self._stale_groups.add(group)
        self._count_stuck(slot, by)

    def _count_stuck(self, slot: int, by: int) -> None:
        """Count it among the stuck ones, if it is stuck and the reading has shown it."""
        known = self._known
        if known.status[slot] != STUCK or known.missed[slot]:
            return
        group = known.groups[slot]
        group.stuck += by
        place = group.place
        place.stuck += by
        if by > 0:
            self._stuck_places.add(place)
        elif not place.stuck:
            self._stuck_places.discard(place)
        if known.since[slot] <= place.youngest_since:
            self._stale_places.add(place)

    def renew(self, decode: Decode) -> None:
        """Find who is the oldest now, and list, where that has changed."""
        if self._stale_groups:
            self._find_oldest()
        each = max(1, min(LISTED_EACH, LISTED // max(len(self._stuck_places), 1)))
        if each != self._each:
            self._each = each
            self.list_anew()
        if self._stale_places:
            self._list(decode)

    def list_anew(self) -> None:
        """Make all lists anew with the next ``renew``: the slots have other numbers."""
        self._stale_places |= self._stuck_places

    def _find_oldest(self) -> None:
        known, stale = self._known, self._stale_groups
        for group in stale:
            group.oldest_since = inf
        for slot in known.present():
            group = known.groups[slot]
            if group in stale and known.since[slot] < group.oldest_since:
                group.oldest_since = known.since[slot]
        stale.clear()

    def _list(self, decode: Decode) -> None:
        known = self._known
        for place, slots in self._stuck_in_stale_places().items():
            oldest = nsmallest(self._each, slots, key=known.since.__getitem__)
            place.listed = [Listed(known.since[slot], slot, decode(known.key(slot))) for slot in oldest]
            place.youngest_since = place.listed[-1].since if len(oldest) == self._each else inf
        self._stale_places.clear()
        together = chain.from_iterable(place.listed for place in self._stuck_places)
        self.listed = sorted(together, key=attrgetter("since"))[:LISTED]

    def _stuck_in_stale_places(self) -> dict[Place, "array[int]"]:
        """Slots by place."""
        found = {place: array("L") for place in self._stale_places}
        for slot in self._known.stuck():
            place = self._known.groups[slot].place
            if place in found:
                found[place].append(slot)
        return found
