"""Who holds the stuck sockets: whose process is not known yet, where to look for it, and what has been found."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from exporter.count.alike import Alike, Group, Hold
from exporter.count.groups import Groups
from exporter.count.known import STUCK, KnownRows
from exporter.tcp.holders import NO_PROCESS, HolderClue, Process
from exporter.tcp.reading import Decode
from exporter.tcp.sockets import Listener, Socket

UNKNOWN = 10_000
"""Sockets at most whose holder is looked for at one time."""
VAIN_SECONDS = 60.0
"""How long nobody looks again for a holder that was not found."""


class Holders:
    """Processes by socket, which the groups remember, and by listening socket, which have those not yet accepted."""

    def __init__(self, known: KnownRows, groups: Groups) -> None:
        self._known, self._groups = known, groups
        self._listening: Mapping[int, Listener] = {}
        self._of_listeners: dict[int, Process] = {}
        """By inode."""
        self._sought: dict[HolderClue, list[int]] = {}
        """The slots of the sockets that each clue is for; none for a listening socket."""
        self._listeners_in_vain: set[int] = set()
        """Inodes of those that were looked for and not found; for the other sockets the known rows remember that."""
        self._vain_until = 0.0

    def follow(self, listeners: Iterable[Listener], now: float) -> None:
        """Go by the *listeners* of a complete reading."""
        self._listening = {listener.port: listener for listener in listeners if listener.inode}
        inodes = {listener.inode for listener in self._listening.values()}
        self._of_listeners = {inode: held_by for inode, held_by in self._of_listeners.items() if inode in inodes}
        if now >= self._vain_until:
            self._vain_until = now + VAIN_SECONDS
            self._listeners_in_vain.clear()
            self._known.forget_vain()

    def _listener(self, alike: Alike) -> Listener | None:
        """The one whose sockets these are, if nobody has accepted them."""
        is_its_own = alike.hold is Hold.UNACCEPTED and alike.service.role == "server"
        return self._listening.get(alike.service.port) if is_its_own else None

    def of(self, alike: Alike) -> tuple[int, Process]:
        """Cgroup number and process of the sockets; NO_PROCESS if it is not known."""
        listener = self._listener(alike)
        if listener is None:
            return alike.cgroup_id, alike.process or NO_PROCESS
        return listener.cgroup_id, self._of_listeners.get(listener.inode or 0, alike.process or NO_PROCESS)

    def cgroup_ids(self) -> frozenset[int]:
        """Of the stuck sockets, as far as they are told."""
        return frozenset(self.of(group.alike)[0] for group in self._groups if group.stuck) - {0}

    def pids(self) -> Sequence[int]:
        """Of the processes that are known, who holds most stuck sockets first."""
        found: Counter[int] = Counter()
        for group in self._groups:
            if group.stuck:
                found[self.of(group.alike)[1].pid] += group.stuck
        return [pid for pid, _ in found.most_common() if pid]

    def seek(self, decode: Decode) -> Sequence[HolderClue]:
        """Where to look for the holders that are not known."""
        sought: dict[HolderClue, list[int]] = {clue: [] for clue in self._unknown_listeners()}
        for slot in islice(self._unknown_holders(), max(0, UNKNOWN - len(sought))):
            sought.setdefault(_clue(decode(self._known.key(slot))), []).append(slot)
        self._sought = sought
        return list(sought)

    @property
    def is_any_unknown(self) -> bool:
        """Whether there is anything to seek."""
        return any(True for _ in self._unknown_listeners()) or any(map(self._is_unknown, self._groups))

    def _unknown_listeners(self) -> Iterator[HolderClue]:
        for group in self._groups:
            listener = self._listener(group.alike) if group.stuck else None
            inode = listener.inode if listener else None
            if inode and inode not in self._of_listeners and inode not in self._listeners_in_vain:
                yield HolderClue(inode)

    def _unknown_holders(self) -> Iterator[int]:
        """The slots of their sockets."""
        unknown = set(filter(self._is_unknown, self._groups))
        for slot in self._known.having(STUCK) if unknown else ():
            if self._known.groups[slot] in unknown and not self._known.in_vain[slot]:
                yield slot

    @staticmethod
    def _is_unknown(group: Group) -> bool:
        return bool(group.stuck) and group.alike.hold is Hold.HELD and group.alike.process is None

    def learn(self, found: Mapping[HolderClue, Process], decode: Decode) -> None:
        """Go by the processes that were *found* for clues; NO_PROCESS if a search has ended without any."""
        for clue, process in found.items():
            slots = self._sought.pop(clue, [])
            for slot in slots:
                # By now another socket may be there, or none.
                if self._known.is_alive(slot) and _clue(decode(self._known.key(slot))) == clue:
                    self._learn(slot, process)
            if not slots:
                self._learn_listener(clue.inode, process)

    def _learn(self, slot: int, process: Process) -> None:
        if process is NO_PROCESS:
            self._known.in_vain[slot] = 1
        else:
            self._groups.move(slot, self._known.groups[slot].alike._replace(process=process))

    def _learn_listener(self, inode: int, process: Process) -> None:
        if process is NO_PROCESS:
            self._listeners_in_vain.add(inode)
        else:
            self._of_listeners[inode] = process


def _clue(socket: Socket) -> HolderClue:
    return HolderClue(0, socket.pid) if socket.pid else HolderClue(socket.inode or 0)
