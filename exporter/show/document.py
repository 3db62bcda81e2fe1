"""A sample as a JSON document, for scripts."""

import json
from collections.abc import Mapping
from itertools import islice

from exporter.count.census import Bounds, Census
from exporter.count.report import Sample
from exporter.count.stuck import OwnerRow, Stuck
from exporter.show.namespaces import described
from exporter.show.series import of_namespace, of_row
from exporter.show.stuck_list import MOST
from exporter.show.stuck_objects import of_closed, of_holder, of_socket
from exporter.tcp.sockets import Row
from exporter.tcp.states import State


def render(sample: Sample, source: str) -> str:
    """One object: times in Unix seconds, sockets by role, port and state; of the stuck ones, the oldest MOST."""
    census = sample.census
    return json.dumps(
        {
            "timestamp": sample.at,
            "source": source,
            "totals": {state.label: census.total(state) for state in State},
            "ports": [_port(census, row, counts) for row, counts in census.sockets.items()],
            **_bounds(census.own),
            "namespaces": list(map(_namespace, census.elsewhere)),
            "namespaces_missed": census.namespaces_missed,
            "stuck": _stuck(census.stuck),
            "holders": [of_holder(holder) for holder in census.holders],
            "closed_held": of_closed(census.closed, census.holders),
            "owners": [_owner(owner, sockets) for owner, sockets in (census.stuck.owners or {}).items()],
        },
        indent=2,
    )


def _bounds(of: Bounds) -> dict[str, object]:
    return {
        "busiest_destination": of.busiest_destination,
        "busiest_address": of.busiest_address,
        "ephemeral_ports": of.limits.ephemeral_ports,
        "limits_and_counters": dict(of.limits.values),
    }


def _namespace(of: Bounds) -> dict[str, object]:
    """One other than our own; null is what it has not, or is not known."""
    whose = {name: value or None for name, value in described(of.namespace).items()}
    return {**of_namespace(of.namespace.name), **whose, **_bounds(of)}


def _port(census: Census, row: Row, counts: Mapping[State, int]) -> dict[str, object]:
    sockets = {state.label: number for state, number in counts.items()}
    port: dict[str, object] = {**of_row(row), "sockets": sockets}
    queue = census.accept_queues.get(row)
    return port | {"accept_queue": {"queued": queue.queued, "limit": queue.limit}} if queue else port


def _stuck(stuck: Stuck) -> list[dict[str, object]]:
    return [of_socket(one, stuck) for one in islice(stuck.sockets(), MOST)]


def _owner(owner: OwnerRow, sockets: int) -> dict[str, object]:
    service = {**of_row(owner.row), "state": owner.state.label}
    return {**service, "cgroup": owner.cgroup, "process": owner.process, "sockets": sockets}
