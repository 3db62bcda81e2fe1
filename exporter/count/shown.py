"""Which states the rows are shown with.

A port is in a few states at most, and a series for each of the others would say for ever that there is nothing. So a
port is shown with the states that it has, and for some time with those that it had: then they are told to be none, so
that it can be seen, graphed and alerted on that they have gone. ``other`` of our own network namespace has all, so that
a sum by state is never empty.
"""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet

from exporter.count.labels import OTHER
from exporter.tcp.sockets import ROLES, Row
from exporter.tcp.states import State

SHOWN_SECONDS = 600
"""How long a state is shown that a port has had."""

_ALL = frozenset(State)
_ALWAYS = frozenset(Row("", role, OTHER) for role in ROLES)


class Shown:
    """Remembers when each row last had which state. Times are in seconds on any monotonic clock."""

    def __init__(self) -> None:
        self._last: Mapping[Row, Mapping[State, float]] = {}

    def follow(self, present: Mapping[Row, Collection[State]], now: float) -> Mapping[Row, AbstractSet[State]]:
        """What to show of the rows of a sample, which have the states *present*; all other rows are forgotten."""
        self._last = {row: self._lately(row, states, now) for row, states in present.items()}
        return {row: _ALL if row in _ALWAYS else frozenset(last) for row, last in self._last.items()}

    def _lately(self, row: Row, states: Collection[State], now: float) -> Mapping[State, float]:
        before = self._last.get(row, {})
        kept = {state: seen for state, seen in before.items() if now - seen <= SHOWN_SECONDS}
        return kept | dict.fromkeys(states, now)
