"""Since when each watched socket is in its state.

The kernel does not tell, so each reading is compared with the one before, by the identity of the sockets: whoever was
not there before has just come. In the first reading everybody is new; there the age of the peer's silence helps (see
``tcp.SILENT``), and where it does not, an age is a lower bound.

A dump of a table that changes can miss a socket or show it twice. So one that a reading lacks is remembered for one
more, and one that it has shown before is told apart.

Hundreds of thousands can be remembered, so there is a single number for each: since when, in milliseconds, and in the
lowest bits the reading that has seen it last.
"""

from exporter.tcp.sockets import Identity, Socket
from exporter.tcp.states import SILENT, WATCHED, State, Timer

BEHIND_SECONDS = 30.0
"""After such a gap between readings, first sight is no good guess of when a state began."""

_BITS = 16
_READINGS = (1 << _BITS) - 1


class Tracker:
    """Remembers first sights. Times are in seconds on any monotonic clock."""

    def __init__(self) -> None:
        self._times: dict[State, dict[Identity, int]] = {state: {} for state in WATCHED}
        self._seen = dict.fromkeys(WATCHED, 0)
        self._reading = self._before = 0
        self._now = 0.0
        self._ended: float | None = None

    def is_behind(self, now: float) -> bool:
        """Whether the silence of sockets would tell more than this memory."""
        return self._ended is None or now - self._ended > BEHIND_SECONDS

    def begin(self, now: float) -> None:
        """Begin a reading; one that was begun and not ended has failed."""
        self._now = now
        self._seen = dict.fromkeys(WATCHED, 0)
        self._reading = self._reading + 1 & _READINGS

    def since(self, one: Socket) -> float | None:
        """When *one* came into its state, which is one of WATCHED; None if this reading has seen it before."""
        identity, times = one.identity, self._times[one.state]
        known = times.get(identity)
        if known is None:
            known = self._first_sight(one) << _BITS
        elif known & _READINGS == self._reading:
            return None
        times[identity] = known & ~_READINGS | self._reading
        self._seen[one.state] += 1
        return (known >> _BITS) / 1000

    def _first_sight(self, one: Socket) -> int:
        silence = one.silence if one.timer == Timer.NONE and one.state in SILENT else None
        return round(1000 * (self._now - (silence or 0.0)))

    def end(self) -> None:
        """Forget the sockets that neither this reading has seen nor the last that ended."""
        kept = {self._reading, self._before}
        for state, times in self._times.items():
            if self._seen[state] < len(times):
                for identity in [key for key, known in times.items() if known & _READINGS not in kept]:
                    del times[identity]
            if not times:
                self._times[state] = {}  # a dict that has shrunk keeps its size
        self._before, self._ended = self._reading, self._now

    def knows(self, identity: Identity) -> bool:
        """Whether the socket is remembered, in whatever state."""
        return any(identity in times for times in self._times.values())

    def __len__(self) -> int:
        """The sockets of the last reading."""
        return sum(self._seen.values())
