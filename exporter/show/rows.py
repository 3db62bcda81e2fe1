"""The table of ports as it is shown to people: which rows and states there are, in which order."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.count.census import Census
from exporter.count.ports import OTHER
from exporter.tcp.sockets import Role
from exporter.tcp.states import State


@dataclass(frozen=True)
class PortRow:
    """The sockets of one port."""

    role: Role
    port: str
    counts: Mapping[State, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def rows(census: Census) -> list[PortRow]:
    """The ports that have sockets: servers before clients, the busiest first, ``other`` last."""
    every = (PortRow(role, port, counts) for (role, port), counts in census.sockets.items())
    return sorted(
        (row for row in every if row.total),
        key=lambda row: (row.role != "server", row.port == OTHER, -row.total),
    )


def present(census: Census) -> list[State]:
    """The states that any socket is in."""
    return [state for state in State if census.total(state)]
