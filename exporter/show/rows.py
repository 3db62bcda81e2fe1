"""Which rows and states are shown to people, and in which order."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exporter.count.census import Census
from exporter.count.ports import OTHER
from exporter.tcp.sockets import Row
from exporter.tcp.states import State


class Idle(NamedTuple):
    """Ports that have nothing but listening sockets: of most hosts these are the most, and they say the least."""

    number: int
    ports: Sequence[str]
    """Those of them that have a label."""


def rows(census: Census) -> Sequence[Row]:
    """The rows that have connections: where most sockets are stuck first, then the busiest, ``other`` last."""
    busy = {row: _connections(counts) for row, counts in census.sockets.items()}
    return sorted(
        (row for row, connections in busy.items() if connections),
        key=lambda row: (-stuck_sockets(census, row), row.netns, row.port == OTHER, -busy[row]),
    )


def idle(census: Census) -> Idle:
    """The rows that are left out of these, although they have sockets."""
    listening = [
        row.port for row, counts in census.sockets.items() if counts[State.LISTEN] and not _connections(counts)
    ]
    ports = [port for port in listening if port != OTHER]
    unnamed = census.folded_ports["server"] if OTHER in listening else 0
    return Idle(len(ports) + unnamed, ports)


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
