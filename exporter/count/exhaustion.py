"""How near the holders of stuck sockets are to their end: a process that has no descriptor left can do nothing more.

Who held stuck sockets is told for as long as it has not given back their descriptors, also when the sockets have left
every dump, since their peers have closed at last: then as many descriptors are gone as before.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from exporter.tcp.holders import Descriptors, HeldBy, Process

PACE_SECONDS = 300.0
"""Over which a pace is measured."""
LATELY_SECONDS = 60.0
"""In which it has to go on: a burst is no pace."""
POINT_SECONDS = 5.0
"""At least, between two numbers that a pace is measured by."""


class Held(NamedTuple):
    """The stuck sockets that one owner has descriptors of."""

    cgroup: str
    process: str
    """The name, as of an Owner."""
    sockets: int
    holders: HeldBy
    """Known or likely ones."""


class Known(NamedTuple):
    """What is known of processes."""

    descriptors: Mapping[int, Descriptors]
    """By number."""
    closed: Mapping[Process, int]
    """Sockets that are in no table any more, and that they hold."""

    def fullest(self, holders: HeldBy) -> int:
        """The number of the one that has used most of its limit; 0 if that is known of none."""
        pids = [process.pid for process in holders if process.pid in self.descriptors]
        return max(pids, key=lambda pid: self.descriptors[pid].share, default=0)


class HolderDescriptors(NamedTuple):
    """The descriptors of a holder: of the fullest process, if it is several."""

    cgroup: str
    process: str
    pid: int
    descriptors: Descriptors
    stuck: int
    """Of the owner."""
    seconds_left: float | None
    """Until it has no descriptors left, at the pace of the last minutes; None if it does not go on."""


class _Track:
    """A process from one sample to the next."""

    def __init__(self, cgroup: str, process: str) -> None:
        self.cgroup, self.process = cgroup, process
        self._most, self._open_then = 0.0, 0
        """Stuck sockets when they were most, and descriptors that were open then."""
        self._points: deque[tuple[float, int]] = deque()

    def note(self, descriptors: Descriptors, stuck: float, now: float) -> None:
        if stuck and stuck >= self._most:
            self._most, self._open_then = stuck, descriptors.open
        points = self._points
        if not points or now >= points[-1][0] + POINT_SECONDS:
            points.append((now, descriptors.open))
        while len(points) > 1 and points[1][0] <= now - PACE_SECONDS:
            points.popleft()

    def is_burdened(self, descriptors: Descriptors) -> bool:
        """Whether it has given back less than half of what the stuck sockets took."""
        return self._most > 0 and descriptors.open > self._open_then - self._most / 2

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

    def follow(self, held: Sequence[Held], known: Known, now: float, most: int) -> Sequence[HolderDescriptors]:
        """What to tell of those who hold stuck sockets, the first ones of *held*, and of those who have held some."""
        stuck = {pid: one for one in held[:most] if (pid := known.fullest(one.holders))}
        for pid, one in stuck.items():
            track = self._tracks.setdefault(pid, _Track(one.cgroup, one.process))
            track.cgroup, track.process = one.cgroup, one.process
            track.note(known.descriptors[pid], one.sockets / len(one.holders), now)
        self._meet(known)
        self._forget(stuck, known)
        told: dict[tuple[str, str], HolderDescriptors] = {}
        for pid in (*stuck, *(self._tracks.keys() - stuck.keys())):
            holder = self._told(pid, stuck[pid].sockets if pid in stuck else 0, known, now)
            told.setdefault((holder.cgroup, holder.process), holder)
        return list(told.values())[:most]

    def _meet(self, known: Known) -> None:
        """Who holds closed sockets need not have had stuck ones: a peer can reset a connection too."""
        for process in known.closed:
            if process.pid in known.descriptors:
                self._tracks.setdefault(process.pid, _Track(process.cgroup, process.name))

    def _forget(self, stuck: Collection[int], known: Known) -> None:
        """Remember none but these, those who hold closed ones, and those who have not given back the descriptors."""
        kept = {*stuck, *(process.pid for process in known.closed), *self._burdened(known)}
        self._tracks = {pid: self._tracks[pid] for pid in self._tracks.keys() & kept & known.descriptors.keys()}

    def _burdened(self, known: Known) -> Iterator[int]:
        for pid, track in self._tracks.items():
            if pid in known.descriptors and track.is_burdened(known.descriptors[pid]):
                yield pid

    def _told(self, pid: int, stuck: int, known: Known, now: float) -> HolderDescriptors:
        track, descriptors = self._tracks[pid], known.descriptors[pid]
        if not stuck:
            track.note(descriptors, 0, now)
        left = track.seconds_left(descriptors, now)
        return HolderDescriptors(track.cgroup, track.process, pid, descriptors, stuck, left)
