"""The stuck sockets as JSON, one by one or by who holds them."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from exporter.count.census import Census
from exporter.count.report import Sample
from exporter.show.stuck_objects import of_closed, of_holding, of_socket, without_addresses
from exporter.tcp.states import State

USUAL = 100
"""Objects in the list if nobody says how many."""
MOST = 1000
"""Objects in the list at most."""

Grouping = Literal["holder"]


@dataclass(frozen=True)
class Query:
    """Which stuck sockets are wanted, or whose: those in one state and at one port of a service, where given."""

    state: State | None = None
    port: int | None = None
    limit: int = USUAL
    group: Grouping | None = None
    """Whether who holds them is wanted; None for the sockets themselves."""


_Objects = Iterable[dict[str, object]]


def render(sample: Sample, query: Query, *, addresses: bool = True) -> str:
    """What *query* asks for, a line each, and how many stuck sockets there are of all kinds."""
    census = sample.census
    name, find = _LISTS[query.group]
    found = islice(find(census, query), query.limit)
    objects = ",\n".join(map(json.dumps, found if addresses else map(without_addresses, found)))
    head = {
        "timestamp": sample.at,
        "stuck": census.stuck.total,
        "closed_held": of_closed(census.closed, census.holders),
    }
    return f'{json.dumps(head)[:-1]}, "{name}": [\n{objects}\n]}}\n'


def _sockets(census: Census, query: Query) -> _Objects:
    """The oldest first."""
    stuck = census.stuck
    return (of_socket(socket, stuck.age(socket)) for socket in stuck.sockets(query.state, query.port))


def _holdings(census: Census, query: Query) -> _Objects:
    """Who has most of them first."""
    descriptors = {(holder.cgroup, holder.process): holder for holder in census.holders}
    for holding in census.stuck.holdings:
        if query.state in {None, holding.state} and query.port in {None, holding.service.port}:
            owner = holding.owner
            yield of_holding(holding, census.stuck.now, descriptors.get((owner.cgroup, owner.process)))


_LISTS: Mapping[Grouping | None, tuple[str, Callable[[Census, Query], _Objects]]] = {
    None: ("sockets", _sockets),
    "holder": ("holdings", _holdings),
}
