"""The last hour in memory: sockets by state, one point for some seconds."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exporter.tcp.states import State

HOUR = 3600.0
STEP = 10.0
"""Seconds that share a point, which has the most sockets of each state in that time."""


class Point(NamedTuple):
    """What was seen from *time* on."""

    time: float
    sockets: Mapping[State, int]


class History:
    """Grows by samples; whoever reads ``points`` has a value of its own. Times are on a monotonic clock."""

    def __init__(self) -> None:
        self.points: Sequence[Point] = ()
        """Of the last hour, the oldest first."""

    def add(self, time: float, sockets: Mapping[State, int]) -> None:
        """Take in a sample."""
        began = time // STEP * STEP
        kept = [point for point in self.points if point.time > time - HOUR]
        if kept and kept[-1].time == began:
            before = kept.pop().sockets
            sockets = {state: max(number, before[state]) for state, number in sockets.items()}
        self.points = (*kept, Point(began, sockets))
