"""The stuck sockets one by one, as JSON."""

import json
from itertools import islice

from exporter.count.report import Sample
from exporter.count.stuck import StuckSocket
from exporter.show.stuck_query import Query
from exporter.tcp.states import State


def render(sample: Sample, query: Query) -> str:
    """The stuck sockets that *query* asks for, a line each, the oldest first, and how many there are of all kinds."""
    stuck = sample.census.stuck
    found = islice(stuck.sockets(query.state, query.port), query.limit)
    total = sum(one.stuck for by_state in stuck.watched.values() for one in by_state.values())
    sockets = ",\n".join(json.dumps(described(one)) for one in found)
    return f'{{"timestamp": {json.dumps(sample.at)}, "stuck": {total}, "sockets": [\n{sockets}\n]}}\n'


def described(one: StuckSocket) -> dict[str, object]:
    """The socket as a JSON object."""
    return {
        "state": one.state.label,
        "role": one.endpoint.role,
        "port": one.endpoint.port,
        "local": one.ends.local,
        "remote": one.ends.remote,
        "age_seconds": round(one.age, 3),
        "ends_by": one.verdict or None if one.state is State.FIN_WAIT2 else None,
        "waits_for": one.verdict or None if one.state is State.CLOSE_WAIT else None,
        "receive_queue": one.receive_queue,
        "send_queue": one.send_queue,
        "cgroup": one.owner.cgroup or None,
        "pid": one.owner.pid or None,
        "process": one.owner.process or None,
    }
