"""The stuck sockets one by one, as JSON."""

import json
from dataclasses import dataclass
from itertools import islice

from exporter.count.report import Sample
from exporter.count.stuck import StuckSocket
from exporter.tcp.states import State
from exporter.tcp.verdicts import VERDICTS

_LABELS = tuple(dict.fromkeys(verdict.label for verdicts in VERDICTS.values() for verdict in verdicts))

USUAL = 100
"""Sockets that are listed if nobody says how many."""
MOST = 1000
"""Sockets that are listed at most."""


@dataclass(frozen=True)
class Query:
    """Which stuck sockets are wanted: the oldest of those in one state and at one port of a service, where given."""

    state: State | None = None
    port: int | None = None
    limit: int = USUAL


def render(sample: Sample, query: Query) -> str:
    """The stuck sockets that *query* asks for, a line each, the oldest first, and how many there are of all kinds."""
    stuck = sample.census.stuck
    found = islice(stuck.sockets(query.state, query.port), query.limit)
    sockets = ",\n".join(json.dumps(described(socket, stuck.age(socket))) for socket in found)
    return f'{{"timestamp": {json.dumps(sample.at)}, "stuck": {stuck.total}, "sockets": [\n{sockets}\n]}}\n'


def described(stuck: StuckSocket, age: float) -> dict[str, object]:
    """The socket, *age* seconds in its state, as a JSON object; null is what is not known."""
    socket, ends = stuck.socket, stuck.socket.ends
    return {
        "state": socket.state.label,
        "role": stuck.service.role,
        "port": stuck.service.port,
        "local": ends.local,
        "remote": ends.remote,
        "age_seconds": round(age, 3),
        **_ways(stuck),
        "receive_queue": socket.receive_queue,
        "send_queue": socket.send_queue,
        "cgroup": stuck.owner.cgroup or None,
        "pid": stuck.owner.pid or None,
        "process": stuck.owner.process or None,
    }


def _ways(stuck: StuckSocket) -> dict[str, str | None]:
    """How it ends, under the name of the label that tells it in the metrics."""
    known = {stuck.verdict.label: stuck.verdict.word} if stuck.verdict else {}
    return {label: known.get(label) for label in _LABELS}
