"""A census as a JSON document, for scripts."""

import json
from collections.abc import Mapping
from itertools import islice

from exporter.count.census import Census
from exporter.count.report import Sample
from exporter.show.stuck_list import described
from exporter.show.stuck_query import MOST
from exporter.tcp.states import State


def render(sample: Sample, source: str) -> str:
    """One object: times in Unix seconds, sockets by role, port and state."""
    census = sample.census
    return json.dumps(
        {
            "timestamp": sample.at,
            "source": source,
            "totals": {state.label: census.total(state) for state in State},
            "ports": [_port(census, *key, counts) for key, counts in census.sockets.items()],
            "busiest_destination": census.busiest_destination,
            "ephemeral_ports": census.limits.ephemeral_ports,
            "limits_and_counters": dict(census.limits.values),
            "stuck": [described(one) for one in islice(census.stuck.sockets(), MOST)],
            "owners": [
                {**holding._asdict(), "state": holding.state.label, "sockets": sockets}
                for holding, sockets in (census.stuck.owners or {}).items()
            ],
        },
        indent=2,
    )


def _port(census: Census, role: str, port: str, counts: Mapping[State, int]) -> dict[str, object]:
    sockets = {state.label: number for state, number in counts.items()}
    queue = census.accept_queues.get(port) if role == "server" else None
    described: dict[str, object] = {"role": role, "port": port, "sockets": sockets}
    return described | {"accept_queue": {"queued": queue.queued, "limit": queue.limit}} if queue else described
