"""A sample as a JSON document, for scripts."""

import json
from collections.abc import Mapping
from itertools import islice

from exporter.count.census import Census
from exporter.count.report import Sample
from exporter.count.stuck import OwnerRow, Stuck
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
            "busiest_destination": census.busiest_destination,
            "busiest_address": census.busiest_address,
            "ephemeral_ports": census.limits.ephemeral_ports,
            "limits_and_counters": dict(census.limits.values),
            "stuck": _stuck(census.stuck),
            "holders": [of_holder(holder) for holder in census.holders],
            "closed_held": of_closed(census.closed, census.holders),
            "owners": [_owner(owner, sockets) for owner, sockets in (census.stuck.owners or {}).items()],
        },
        indent=2,
    )


def _port(census: Census, row: Row, counts: Mapping[State, int]) -> dict[str, object]:
    sockets = {state.label: number for state, number in counts.items()}
    port: dict[str, object] = {"role": row.role, "port": row.port, "sockets": sockets}
    queue = census.accept_queues.get(row)
    return port | {"accept_queue": {"queued": queue.queued, "limit": queue.limit}} if queue else port


def _stuck(stuck: Stuck) -> list[dict[str, object]]:
    return [of_socket(socket, stuck.age(socket)) for socket in islice(stuck.sockets(), MOST)]


def _owner(owner: OwnerRow, sockets: int) -> dict[str, object]:
    row, state = owner.row, owner.state.label
    service = {"role": row.role, "port": row.port, "state": state}
    return {**service, "cgroup": owner.cgroup, "process": owner.process, "sockets": sockets}
