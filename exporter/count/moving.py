"""Which half-closed sockets are stuck, and which still carry data, however old they are.

A connection that one end has shut down may go on for hours the other way: a backup, a transfer, a stream. Its row looks
like that of a leak, so the kernel is asked since when no data has moved, with the dump of a reading in which a socket
gets old enough to be stuck; and again from time to time, since one that moves may stop, and one that stood may move.
"""

from collections.abc import Iterator, Mapping
from itertools import compress
from math import inf

from exporter.count.alike import Alike, Group, Hold
from exporter.count.groups import Groups
from exporter.count.known import MOVING, STUCK, YOUNG, KnownRows
from exporter.count.rules import StuckRules
from exporter.tcp import verdicts
from exporter.tcp.reading import Decode
from exporter.tcp.verdicts import verdict

CHECK_SECONDS = 30.0
"""Between the readings that ask of all who could be stuck whether data moves."""

Idle = Mapping[int, float]
"""By slot, seconds since data last moved, if that was after the socket came into its state."""


class Moving:
    """Judges the *known* rows. Times are in seconds on any monotonic clock."""

    def __init__(self, known: KnownRows, groups: Groups) -> None:
        self._known, self._groups = known, groups
        self._rules = StuckRules({})
        self._checked = -inf

    def doubtful(self, now: float) -> bytearray:
        """A mask of the slots whose sockets the reading at *now* has to be asked about."""
        mask = bytearray(self._known.capacity)
        statuses = (YOUNG, STUCK, MOVING) if now - self._checked >= CHECK_SECONDS else (YOUNG,)
        for slot in self._known.having(*statuses):
            group = self._known.groups[slot]
            if _can_move(group) and self._is_ripe(slot, group, now):
                mask[slot] = 1
        return mask

    def _is_ripe(self, slot: int, group: Group, now: float) -> bool:
        """Whether the socket has been in its state for the threshold."""
        return self._known.since[slot] <= now - self._seconds(group.alike)

    def _seconds(self, alike: Alike) -> float:
        """How long the socket has to be there, and has to be idle, to be stuck."""
        seconds = self._rules.seconds(alike.state, alike.service)
        return inf if seconds is None else seconds

    def judge(self, rules: StuckRules, asked: bytearray, idle: Idle, now: float, decode: Decode) -> None:
        """Go by a reading that was *asked* about some slots, and found some to be less *idle* than they are old.

        Of sockets that the reading has missed it says nothing: the next one is asked about them.
        """
        self._rules = rules
        for slot in self._known.having(YOUNG):
            if self._is_ripe(slot, self._known.groups[slot], now) and not self._known.missed[slot]:
                self._settle(slot, idle, decode)
        if now - self._checked >= CHECK_SECONDS:
            self._checked = now
            for slot in self._again(asked):
                self._settle(slot, idle, decode)

    def _again(self, asked: bytearray) -> Iterator[int]:
        known = self._known
        for slot in compress(range(len(asked)), asked):
            if known.status[slot] in {STUCK, MOVING} and not known.missed[slot]:
                yield slot

    def _settle(self, slot: int, idle: Idle, decode: Decode) -> None:
        """A socket that is old enough is stuck, or it moves."""
        alike, status = self._known.groups[slot].alike, self._known.status[slot]
        moves = idle.get(slot, inf) < self._seconds(alike)
        if moves and status != MOVING:
            self._groups.restate(slot, MOVING, alike._replace(verdict=verdicts.MOVING[alike.state]))
        elif not moves and status == MOVING:
            socket = decode(self._known.key(slot))
            self._groups.restate(slot, STUCK, alike._replace(verdict=verdict(socket)))
        elif not moves and status == YOUNG:
            self._groups.promote(slot)


def _can_move(group: Group) -> bool:
    return group.alike.state in verdicts.MOVING and group.alike.hold is Hold.HELD
