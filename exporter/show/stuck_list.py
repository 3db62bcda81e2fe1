"""The stuck sockets as JSON, one by one or by who holds them."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from exporter.count.census import Census
from exporter.count.report import Sample
from exporter.show.stuck_objects import of_closed, of_holding, of_socket, without_addresses
from exporter.tcp.holders import Whose
from exporter.tcp.states import State

USUAL = 100
"""Objects in the list if nobody says how many."""
MOST = 1000
"""Objects in the list at most."""

Grouping = Literal["holder"]


@dataclass(frozen=True)
class Query:
    """Which stuck sockets are wanted, or whose.

    Those in one state, at one port of a service and in one network namespace, where given.
    """

    state: State | None = None
    port: int | None = None
    limit: int = USUAL
    group: Grouping | None = None
    """Whether who holds them is wanted; None for the sockets themselves."""
    netns: str | None = None
    """The name; empty for our own, and ``other`` for all that are told together."""


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
    return (of_socket(one, stuck) for one in stuck.sockets(query.state, query.port, query.netns))


def _holdings(census: Census, query: Query) -> _Objects:
    """Who has most of them first."""
    stuck, descriptors = census.stuck, {holder.whose: holder for holder in census.holders}
    for one in stuck.held(query.state, query.port, query.netns):
        whose = Whose(one.owner.cgroup, one.owner.process, stuck.netns(one.service))
        yield of_holding(one, stuck, descriptors.get(whose))


_LISTS: Mapping[Grouping | None, tuple[str, Callable[[Census, Query], _Objects]]] = {
    None: ("sockets", _sockets),
    "holder": ("holdings", _holdings),
}
