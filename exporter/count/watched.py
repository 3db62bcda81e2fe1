"""The watched sockets from one reading to the next: how old, how they end, which are stuck, and who holds those.

A socket is stuck when it has been in its state for longer than the state's threshold and no timer of the kernel's is
about to remove it. The kernel does not tell since when it is there, so each reading is compared with the one before:
whoever was not there before has just come. In the first reading everybody is new; there the age of the peer's silence
helps (see ``states.SILENT``), and where it does not, an age is a lower bound.

Most stuck sockets look the same in every reading, byte for byte. So what is done for each row is to look it up and to
mark it as seen; only rows that are new, and those that are missing, are looked at. All that is told follows from the
groups that the known rows are in.

A dump of a table that changes can miss a socket or show it twice. So one that a reading lacks is remembered for one
more; and one that it shows twice, alike or changed meanwhile, is counted once.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, islice
from math import isnan, nan
from typing import NamedTuple

from exporter.count.alike import Alike, Group, Listed, hold, waits_at
from exporter.count.groups import Groups
from exporter.count.holders import Holders
from exporter.count.known import EXEMPT, MOVING, STUCK, YOUNG, KnownRows
from exporter.count.moving import Moving
from exporter.count.rules import StuckRules
from exporter.tcp import verdicts
from exporter.tcp.holders import HeldBy
from exporter.tcp.reading import Decode, Lookups
from exporter.tcp.roles import HostRoles
from exporter.tcp.sockets import Identity, Listener, Origin, Socket
from exporter.tcp.states import SILENT, State, Timer
from exporter.tcp.verdicts import verdict

BEHIND_SECONDS = 30.0
"""After such a gap between readings, first sight is no good guess of when a state began."""
TOGETHER_SECONDS = 0.1
"""Between the beginning of a state and data that came with it, at most, by what the kernel tells of both."""
TWINS = 10_000
"""New rows of one reading at most among which a socket that comes twice is noticed at once, else with the next; and how
many are compared with the known ones together. Sets of all of them would be larger than all that is known."""

_UNKNOWN: tuple[int, HeldBy | None] = (0, None)


class Seen:
    """What an attempt at a reading has shown of the watched sockets; made anew for each.

    *asked* is a mask of the slots of known rows of which it has to be told since when no data has moved.
    """

    def __init__(self, known: KnownRows, asked: bytearray, now: float, *, is_behind: bool) -> None:
        self._known, self._now = known, now
        self._asks = any(asked)
        self.asked = asked
        self.asks = is_behind or self._asks
        """Whether the reading should tell since when sockets are silent."""
        self.marks = bytearray(known.capacity)
        """1 for each known row that was shown."""
        self.idle: dict[int, float] = {}
        """As in ``moving.Idle``."""
        self._keys = bytearray()
        self._length = 1
        """Of a key."""
        self._cgroup_ids = array("Q")
        self._silences, self._idle = array("d"), array("d")

    def add(self, rows: Lookups) -> None:
        """Mark the rows that are known, keep the others."""
        keys = rows.keys()
        slots = self._known.index.slots(list(map(hash, keys)))
        if None in slots:
            self._meet(rows, keys, slots)
        if self._asks:
            self._ask(rows, slots)
        marks = self.marks
        for slot in slots:
            if slot is not None:
                marks[slot] = 1

    def _ask(self, rows: Lookups, slots: Sequence[int | None]) -> None:
        chosen = bytes(slot is not None and self.asked[slot] for slot in slots)
        for slot, origin in zip(compress(slots, chosen), rows.origins(chosen), strict=True):
            if slot is not None and origin.idle is not None:
                self.note_idle(slot, origin.idle)

    def note_idle(self, slot: int, seconds: float) -> None:
        """No data has moved for so many *seconds*; that is of interest if some did after the state began.

        A state often begins with data, and the kernel tells both by a clock of 10 ms at worst.
        """
        if seconds < self._now - self._known.since[slot] - TOGETHER_SECONDS:
            self.idle[slot] = seconds

    def _meet(self, rows: Lookups, keys: Sequence[bytes], slots: Sequence[int | None]) -> None:
        is_new = bytes(slot is None for slot in slots)
        self._length = len(keys[0])
        self._keys += b"".join(compress(keys, is_new))
        for cgroup_id, silence, idle in rows.origins(is_new):
            self._cgroup_ids.append(cgroup_id)
            self._silences.append(silence)
            self._idle.append(nan if idle is None else idle)

    def new_keys(self) -> Iterator[bytes]:
        """Those of rows that are not known; of one that was shown twice, twice."""
        return (bytes(self._keys[at : at + self._length]) for at in range(0, len(self._keys), self._length))

    def new(self) -> Iterator[tuple[bytes, Origin]]:
        """The rows that are not known, with their origins."""
        idle = (None if isnan(seconds) else seconds for seconds in self._idle)
        return zip(self.new_keys(), map(Origin, self._cgroup_ids, self._silences, idle), strict=True)


class Read(NamedTuple):
    """What is known beside the sockets when a reading is complete."""

    now: float
    """When it began."""
    listeners: Sequence[Listener]
    roles: HostRoles
    rules: StuckRules
    decode: Decode


class _Past:
    """What earlier rows tell of the sockets whose rows are new."""

    def __init__(self) -> None:
        self.shown: set[tuple[Identity, State]] = set()
        """Those that this reading has shown already."""
        self.rows: dict[tuple[Identity, State], int] = {}
        """The slots of those that it has not shown: they may have changed."""
        self.holders: dict[Identity, tuple[int, HeldBy | None]] = {}
        """Cgroup and processes."""


class WatchedSockets:
    """Remembers them. Times are in seconds on any monotonic clock.

    All readings have to be of one source: each has keys of its own.
    """

    def __init__(self) -> None:
        self._known = KnownRows()
        self.groups = Groups(self._known)
        self.holders = Holders(self._known, self.groups)
        self._moving = Moving(self._known, self.groups)
        self._roles: HostRoles | None = None
        self._rules = StuckRules({})
        self._read_at: float | None = None

    def seen(self, now: float) -> Seen:
        """Begin a reading at *now*; one that fails is just dropped.

        In the first one, and after a gap, the silence of sockets tells more than this memory.
        """
        is_behind = self._read_at is None or now - self._read_at > BEHIND_SECONDS
        return Seen(self._known, self._moving.doubtful(now), now, is_behind=is_behind)

    def __len__(self) -> int:
        """The sockets of the last reading."""
        return sum(group.present for group in self.groups)

    def group(self, listed: Listed) -> Group:
        """The one that the socket is in."""
        return self._known.groups[listed.slot]

    def take_in(self, seen: Seen, reading: Read) -> None:
        """Go by a reading that is complete."""
        self._follow_roles(reading)
        self._follow_rules(reading.rules)
        missing = self._known.unmarked(seen.marks)
        for slot in self._known.returned(seen.marks):
            self.groups.show(slot)
        past = self._past(seen, reading.decode)
        changed = frozenset(past.rows.values())
        self._miss(slot for slot in missing if slot not in changed)
        self._admit(seen, past, reading)
        self._miss(past.rows.values())
        self._moving.judge(reading.rules, seen.asked, seen.idle, reading.now, reading.decode)
        self.holders.follow(reading.listeners, reading.now)
        self._read_at = reading.now
        if self._known.is_sparse:
            self._known.compact()
            self.groups.list_anew()
        self.groups.renew(reading.decode)

    def _follow_roles(self, reading: Read) -> None:
        """Known sockets whose port has begun or ceased to listen are counted under another service."""
        roles, known = reading.roles, self._known
        before, self._roles = self._roles or roles, roles
        changed, is_other_range = roles.follow(before)
        for slot in known.alive() if is_other_range else known.with_local_port(changed):
            socket = reading.decode(known.key(slot))
            service = roles.of(socket.netns).service(socket.local_port, socket.remote_port)
            self.groups.move(slot, known.groups[slot].alike._replace(service=service))

    def _follow_rules(self, rules: StuckRules) -> None:
        """By other thresholds, whoever was stuck has to be found so again."""
        if rules != self._rules:
            self._rules = rules
            for slot in self._known.having(STUCK):
                self.groups.demote(slot)

    def _past(self, seen: Seen, decode: Decode) -> _Past:
        """Find earlier rows of the sockets whose rows are new, by identity."""
        past, known = _Past(), self._known
        new = seen.new_keys() if len(known) else iter(())
        while some := {hash(decode(key).identity) for key in islice(new, TWINS)}:
            for slot in known.with_identity(some):
                self._note_past(past, slot, decode, is_shown=bool(seen.marks[slot]))
        return past

    def _note_past(self, past: _Past, slot: int, decode: Decode, *, is_shown: bool) -> None:
        socket, alike = decode(self._known.key(slot)), self._known.groups[slot].alike
        past.holders[socket.identity] = alike.cgroup_id, alike.holders
        if is_shown:
            past.shown.add((socket.identity, socket.state))
        else:
            past.rows[socket.identity, socket.state] = slot

    def _miss(self, missing: Iterable[int]) -> None:
        """Forget the sockets that neither this reading has shown nor the one before."""
        for slot in missing:
            if self._known.missed[slot]:
                self._forget(slot)
            elif self._known.status[slot]:
                self.groups.hide(slot)

    def _forget(self, slot: int) -> None:
        self.groups.leave(slot)
        self._known.remove(slot)

    def _admit(self, seen: Seen, past: _Past, reading: Read) -> None:
        """Take in the new rows, but for those of sockets that have been shown before."""
        for key, origin in seen.new():
            socket = reading.decode(key)
            here = socket.identity, socket.state
            if hash(key) in self._known.index or here in past.shown:
                continue
            if len(past.shown) < TWINS:
                past.shown.add(here)
            before = past.rows.pop(here, None)
            since = _first_sight(socket, origin, reading.now) if before is None else self._known.since[before]
            moves = before is not None and self._known.status[before] == MOVING and origin.idle is None
            if before is not None:
                self._forget(before)
            alike = self._alike(socket, here[0], origin, past, reading.roles)
            slot = self._add(key, socket, here[0], since, alike, moves=moves)
            if origin.idle is not None:
                seen.note_idle(slot, origin.idle)

    def _add(  # noqa: PLR0913 - all that is known of a row
        self, key: bytes, socket: Socket, identity: Identity, since: float, alike: Alike, *, moves: bool
    ) -> int:
        """One that *moves* as the row before it did is left in peace until the next check."""
        ends = verdicts.is_never_stuck(socket)
        slot = self._known.add(key, hash(identity), socket.local_port, since, EXEMPT if ends else YOUNG)
        self.groups.join(slot, alike)
        if moves and not ends:
            self.groups.restate(slot, MOVING, alike._replace(verdict=verdicts.MOVING[socket.state]))
        return slot

    @staticmethod
    def _alike(socket: Socket, identity: Identity, origin: Origin, past: _Past, roles: HostRoles) -> Alike:
        """A socket that changes keeps its holder, and also its cgroup where that is not told any more."""
        cgroup_id, holders = past.holders.get(identity, _UNKNOWN)
        service = roles.of(socket.netns).service(socket.local_port, socket.remote_port)
        made_in, held = origin.cgroup_id or cgroup_id, hold(socket)
        waits = waits_at(socket, held)
        return Alike(socket.state, service, verdict(socket), held, made_in, holders, waits, socket.is_mptcp)


def _first_sight(socket: Socket, origin: Origin, now: float) -> float:
    silence = origin.silence if socket.timer == Timer.NONE and socket.state in SILENT else 0.0
    return now - silence
