"""Which rows and states are shown to people, and in which order."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from exporter.count.census import Census
from exporter.count.labels import OTHER
from exporter.tcp.sockets import Row
from exporter.tcp.states import State

FOREIGN = 30
"""Rows of other network namespaces that are shown: a node has hundreds of pods."""


class Idle(NamedTuple):
    """Ports that have nothing but listening sockets: of most hosts these are the most, and they say the least."""

    number: int
    ports: Sequence[str]
    """Those of our own network namespace that have a label."""


def rows(census: Census) -> Sequence[Row]:
    """The rows that have connections: where most sockets are stuck first, then the busiest, ``other`` last.

    Those of our own network namespace go before those of others, of which there are no more than FOREIGN.
    """
    found = sorted(_busy(census), key=lambda row: _place(census, row))
    left_out = set(list(filter(_is_foreign, found))[FOREIGN:])
    return [row for row in found if row not in left_out]


def left_out(census: Census) -> Sequence[Row]:
    """Those that are too many."""
    shown = set(rows(census))
    return [row for row in _busy(census) if row not in shown]


def _busy(census: Census) -> Iterable[Row]:
    return (row for row, counts in census.sockets.items() if _connections(counts))


def _place(census: Census, row: Row) -> tuple[int, bool, bool, int]:
    """What it is sorted by."""
    return -stuck_sockets(census, row), _is_foreign(row), row.port == OTHER, -_connections(census.sockets[row])


def _is_foreign(row: Row) -> bool:
    return row.netns != ""


def idle(census: Census) -> Idle:
    """The rows that have sockets and no connections; what is told together counts for as many ports as it stands for.

    Ports are named by number, so none of another namespace is.
    """
    listening = [row for row, counts in census.sockets.items() if counts[State.LISTEN] and not _connections(counts)]
    ports = [row for row in listening if row.port != OTHER]
    folded = {of.namespace.name: of.folded_ports.get("server", 0) for of in (census.own, *census.elsewhere)}
    unnamed = sum(folded.get(row.netns, 0) for row in listening if row.port == OTHER)
    return Idle(len(ports) + unnamed, [row.port for row in ports if not row.netns])


def _connections(counts: Mapping[State, int]) -> int:
    return sum(counts.values()) - counts[State.LISTEN]


def stuck_sockets(census: Census, row: Row) -> int:
    """How many sockets of the *row* are stuck."""
    return sum(count.stuck for count in census.stuck.watched.get(row, {}).values())


def present(census: Census) -> Sequence[State]:
    """The states that any socket is in."""
    return [state for state in State if census.total(state)]


def absent(census: Census) -> Sequence[State]:
    """The states that no socket is in."""
    return [state for state in State if not census.total(state)]
