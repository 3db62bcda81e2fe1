"""Since when each watched socket is in its state.

The kernel does not tell, so each reading is compared with the one before, by the identity of the sockets: whoever was
not there before has just come. In the first reading everybody is new; there the age of the peer's silence helps (see
``tcp.SILENT``), and where it does not, an age is a lower bound.

A socket that one reading lacks is remembered for one more, because a dump of a table that changes can miss one.
"""

from exporter.tcp import SILENT, WATCHED, Identity, Socket, State, Timer

BEHIND_SECONDS = 30.0
"""After such a gap between readings, first sight is no good guess of when a state began."""

_Times = dict[State, dict[Identity, float]]


class Tracker:
    """Remembers first sights. Times are in seconds on any monotonic clock."""

    def __init__(self) -> None:
        self._missed, self._known, self._seen = _nothing(), _nothing(), _nothing()
        self._now = 0.0
        self._ended: float | None = None

    def is_behind(self, now: float) -> bool:
        """Whether the silence of sockets would tell more than this memory."""
        return self._ended is None or now - self._ended > BEHIND_SECONDS

    def begin(self, now: float) -> None:
        """Begin a reading; what another one saw that was never finished is not forgotten."""
        self._now = now
        for state, seen in self._seen.items():
            self._known[state] |= seen
        self._seen = _nothing()

    def since(self, one: Socket) -> float:
        """When *one*, seen in this reading for the first time, came into its state, which is one of WATCHED."""
        identity, state = one.identity, one.state
        found = self._known[state].pop(identity, None)
        if found is None:
            found = self._missed[state].pop(identity, None)
        if found is None:
            found = self._first_sight(one)
        self._seen[state][identity] = found
        return found

    def _first_sight(self, one: Socket) -> float:
        if one.silence is None or one.timer != Timer.NONE or one.state not in SILENT:
            return self._now
        return self._now - one.silence

    def end(self) -> None:
        """Forget the sockets that neither this reading nor the one before has seen."""
        self._missed, self._known, self._seen = self._known, self._seen, _nothing()
        self._ended = self._now

    def knows(self, identity: Identity) -> bool:
        """Whether the socket is remembered, in whatever state."""
        every = (self._seen, self._known, self._missed)
        return any(identity in times for by_state in every for times in by_state.values())

    def __len__(self) -> int:
        """The sockets of the last reading."""
        return sum(map(len, self._known.values()))


def _nothing() -> _Times:
    return {state: {} for state in WATCHED}
