"""Which rows and states are shown to people, and in which order."""

from collections.abc import Sequence

from exporter.count.census import Census
from exporter.count.ports import OTHER
from exporter.tcp.sockets import Row
from exporter.tcp.states import State


def rows(census: Census) -> Sequence[Row]:
    """The rows that have sockets: servers before clients, the busiest first, ``other`` last."""
    totals = {row: sum(counts.values()) for row, counts in census.sockets.items()}
    return sorted(
        (row for row, total in totals.items() if total),
        key=lambda row: (row.netns, row.role != "server", row.port == OTHER, -totals[row]),
    )


def present(census: Census) -> Sequence[State]:
    """The states that any socket is in."""
    return [state for state in State if census.total(state)]


def absent(census: Census) -> Sequence[State]:
    """The states that no socket is in."""
    return [state for state in State if not census.total(state)]
