"""The sockets whose holders are sought: those of which none is known, and, from time to time, some others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, islice

from exporter.count.alike import Group
from exporter.count.groups import Groups
from exporter.count.known import STUCK, KnownRows
from exporter.tcp.holders import HeldBy, HolderClue
from exporter.tcp.reading import Decode
from exporter.tcp.sockets import Socket

UNKNOWN = 10_000
"""Sockets at most whose holder is looked for at one time."""
CHECKED = 2000
"""Of these, at most whose holder is known and looked for again; the next ones the next time."""


class Sought:
    """Enters what is found for stuck sockets among the *known* rows into their *groups*."""

    def __init__(self, known: KnownRows, groups: Groups) -> None:
        self._known, self._groups = known, groups
        self._slots: dict[HolderClue, list[int]] = {}
        """Of the sockets that each clue is for; none for a listening socket."""
        self._checked_to = 0
        self.has_all = False
        """Whether there were no more unknown ones than are sought at one time."""

    def choose(
        self, listening: Iterable[int], unknown: AbstractSet[Group], checked: AbstractSet[Group], decode: Decode
    ) -> Sequence[HolderClue]:
        """What to look for: *listening* sockets by inode, stuck ones of *unknown* groups, some of those *checked*."""
        self._slots = {HolderClue(inode): [] for inode in listening}
        room = max(0, UNKNOWN - len(self._slots))
        first = list(islice(self._unknown(unknown), room))
        self.has_all = len(first) < room
        for slot in chain(first, islice(self._next_of(checked), min(CHECKED, room - len(first)))):
            self._slots.setdefault(_clue(decode(self._known.key(slot))), []).append(slot)
        return list(self._slots)

    def _unknown(self, groups: AbstractSet[Group]) -> Iterator[int]:
        return (slot for slot in self._of(groups) if not self._known.in_vain[slot])

    def _next_of(self, groups: AbstractSet[Group]) -> Iterator[int]:
        """From where the last check has ended."""
        begin = self._checked_to
        later = (slot for slot in self._of(groups) if slot >= begin)
        for slot in chain(later, (slot for slot in self._of(groups) if slot < begin)):
            self._checked_to = slot + 1
            yield slot

    def _of(self, groups: AbstractSet[Group]) -> Iterator[int]:
        """The slots of their stuck sockets."""
        for slot in self._known.having(STUCK) if groups else ():
            if self._known.groups[slot] in groups:
                yield slot

    def learn(self, found: Mapping[HolderClue, HeldBy], decode: Decode) -> Mapping[int, HeldBy]:
        """Go by who was *found* for clues: nobody if a search has ended so. Gives those of listening sockets."""
        for clue, holders in found.items():
            for slot in self._slots.get(clue, ()):
                # By now another socket may be there, or none.
                if self._is_news(slot, holders) and _clue(decode(self._known.key(slot))) == clue:
                    self._learn(slot, holders)
        return {clue.inode: holders for clue, holders in found.items() if self._slots.get(clue) == []}

    def _is_news(self, slot: int, holders: HeldBy) -> bool:
        return self._known.is_alive(slot) and (not holders or self._known.groups[slot].alike.holders != holders)

    def _learn(self, slot: int, holders: HeldBy) -> None:
        self._known.in_vain[slot] = not holders
        self._groups.move(slot, self._known.groups[slot].alike._replace(holders=holders))


def _clue(socket: Socket) -> HolderClue:
    return HolderClue(0, socket.pid) if socket.pid else HolderClue(socket.inode or 0)
