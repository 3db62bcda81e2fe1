"""How near the holders of stuck sockets are to their end: a process that has no descriptor left can do nothing more.

Who held stuck sockets is told for as long as it has not given back their descriptors, also when the sockets have left
every dump, since their peers have closed at last: then as many descriptors are gone as before.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from exporter.tcp.holders import Descriptors, HeldBy, Process, Whose

PACE_SECONDS = 300.0
"""Over which a pace is measured."""
LATELY_SECONDS = 60.0
"""In which it has to go on: a burst is no pace."""
POINT_SECONDS = 5.0
"""At least, between two numbers that a pace is measured by."""


class Held(NamedTuple):
    """The stuck sockets of one owner, in one network namespace, that take a descriptor each."""

    whose: Whose
    sockets: int
    holders: HeldBy
    """Known or likely ones."""


class Known(NamedTuple):
    """What is known of processes."""

    descriptors: Mapping[int, Descriptors]
    """By number."""
    closed: Mapping[Process, int]
    """Sockets that are in no table any more, and that they hold."""
    netns: Callable[[Process], str] = lambda _: ""
    """The name of the network namespace of these sockets; empty for our own."""

    def fullest(self, holders: HeldBy) -> int:
        """The number of the one that has used most of its limit; 0 if that is known of none."""
        pids = [process.pid for process in holders if process.pid in self.descriptors]
        return max(pids, key=lambda pid: self.descriptors[pid].share, default=0)


class Holder(NamedTuple):
    """Who holds stuck sockets: the fullest process, if it is several."""

    whose: Whose
    taken: int
    """Descriptors that stuck sockets have taken, and that it has not given back."""
    pid: int = 0
    """0 where its descriptors are not known."""
    descriptors: Descriptors | None = None
    seconds_left: float | None = None
    """Until it has no descriptors left, at the pace of the last minutes; None if it does not go on."""

    @property
    def cgroup(self) -> str:
        """As of an Owner."""
        return self.whose.cgroup

    @property
    def process(self) -> str:
        """The name, likewise."""
        return self.whose.process


class _Track:
    """A process from one sample to the next."""

    def __init__(self) -> None:
        self.whose = Whose("", "")
        self.sockets = 0
        """That take a descriptor for nothing."""
        self._most, self._open_then = 0, 0
        """The most there were of stuck ones, and all that was open then."""
        self._points: deque[tuple[float, int]] = deque()

    def note(self, descriptors: Descriptors, stuck: int, closed: int, now: float) -> None:
        """Closed sockets are those of the last look: by now it may have closed some."""
        self.sockets = min(stuck + closed, descriptors.open)
        if stuck and stuck >= self._most:
            self._most, self._open_then = stuck, descriptors.open
        points = self._points
        if not points or now >= points[-1][0] + POINT_SECONDS:
            points.append((now, descriptors.open))
        while len(points) > 1 and points[1][0] <= now - PACE_SECONDS:
            points.popleft()

    def taken(self, descriptors: Descriptors) -> int:
        """Those that it has not given back, also where the sockets are not to be seen any more."""
        others = self._open_then - self._most
        return max(self.sockets, min(self._most, descriptors.open - others))

    def is_burdened(self, descriptors: Descriptors) -> bool:
        """Whether these are more than half of what they were at most."""
        return self.taken(descriptors) > self._most / 2

    def seconds_left(self, descriptors: Descriptors, now: float) -> float | None:
        lately = next((point for point in reversed(self._points) if point[0] <= now - LATELY_SECONDS), None)
        if lately is None:
            return None
        pace = min((descriptors.open - then) / (now - at) for at, then in (self._points[0], lately))
        return max(0, descriptors.limit - descriptors.open) / pace if pace > 0 else None


class Exhaustion:
    """Remembers the holders, by number of the process; times are in seconds on a monotonic clock."""

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}

    def pids(self) -> Sequence[int]:
        """Those that are remembered."""
        return list(self._tracks)

    def netns(self, pid: int) -> str | None:
        """The name of the network namespace that its stuck sockets are in, or were; None if none is remembered."""
        track = self._tracks.get(pid)
        return track.whose.netns if track else None

    def follow(self, held: Sequence[Held], known: Known, now: float, most: int) -> Sequence[Holder]:
        """What to tell of those who hold stuck sockets, the first ones of *held*, and of those who have held some."""
        fullest = {one: known.fullest(one.holders) for one in held[:most]}
        self._note(fullest, known, now)
        self._forget(fullest.values(), known)
        told = {one.whose: self._told(pid, one, known, now) for one, pid in fullest.items()}
        for pid, track in self._tracks.items():
            told.setdefault(track.whose, self._told(pid, track, known, now))
        return list(told.values())[:most]

    def _note(self, fullest: Mapping[Held, int], known: Known, now: float) -> None:
        stuck: Counter[int] = Counter()
        for one, pid in fullest.items():
            if pid:
                if pid not in stuck:  # who has most of its sockets comes first
                    self._track(pid).whose = one.whose
                stuck[pid] += -(-one.sockets // len(one.holders))
        for process in known.closed:  # who need not have had stuck ones: a peer can reset as well
            if process.pid not in self._tracks:
                self._track(process.pid).whose = Whose(process.cgroup, process.name, known.netns(process))
        closed = {process.pid: number for process, number in known.closed.items()}
        for pid in self._tracks.keys() & known.descriptors.keys():
            self._tracks[pid].note(known.descriptors[pid], stuck[pid], closed.get(pid, 0), now)

    def _track(self, pid: int) -> _Track:
        return self._tracks.setdefault(pid, _Track())

    def _forget(self, fullest: Collection[int], known: Known) -> None:
        """Remember none but these, those who hold closed ones, and those who have not given back the descriptors."""
        kept = {*fullest, *(process.pid for process in known.closed), *self._burdened(known)}
        kept &= known.descriptors.keys()
        self._tracks = {pid: track for pid, track in self._tracks.items() if pid in kept}

    def _burdened(self, known: Known) -> Iterator[int]:
        for pid, track in self._tracks.items():
            if pid in known.descriptors and track.is_burdened(known.descriptors[pid]):
                yield pid

    def _told(self, pid: int, owner: "Held | _Track", known: Known, now: float) -> Holder:
        if not pid:
            return Holder(owner.whose, owner.sockets)
        track, descriptors = self._tracks[pid], known.descriptors[pid]
        taken, left = track.taken(descriptors), track.seconds_left(descriptors, now)
        return Holder(owner.whose, taken, pid, descriptors, left)
