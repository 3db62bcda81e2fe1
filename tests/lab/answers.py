"""What a running exporter says of stuck sockets; while it has no fresh sample it says nothing, and is asked again."""

import json
import math
import time
from collections.abc import Iterator
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.lab.daemon import Process
from tests.lab.witness import answered


def _fresh(running: Process, path: str, sign: str) -> str:
    """The answer, which has that *sign* if it is of a fresh sample."""

    def found() -> str:
        body = running.ask(path).body
        return body if sign in body else ""

    return answered(found, f"{path} tells of a fresh sample")


def exposition(running: Process) -> str:
    """One that tells of sockets."""
    return _fresh(running, "/metrics", "\ntcpstate_sockets{")


def told(running: Process, name: str) -> list[Sample]:
    """The samples of that name."""
    families = text_string_to_metric_families(exposition(running))
    return [one for family in families for one in family.samples if one.name == name]


def counted(running: Process, name: str, **labels: object) -> float:
    """The sum of the samples of that name with these labels; not a number where there are none."""
    wanted = {label: str(value) for label, value in labels.items()}
    found = [one.value for one in told(running, name) if wanted.items() <= one.labels.items()]
    return sum(found) if found else math.nan


def stuck(running: Process, **labels: object) -> float:
    """How many are stuck."""
    return counted(running, "tcpstate_stuck_sockets", **labels)


def stuck_list(running: Process, question: str = "limit=1000") -> list[dict[str, Any]]:
    """One by one, the oldest first."""
    return [*json.loads(_fresh(running, f"/api/v1/stuck?{question}", '"sockets"'))["sockets"]]


def owners(running: Process) -> dict[tuple[str, str, str], float]:
    """Stuck sockets by state, cgroup and process."""
    found = told(running, "tcpstate_stuck_sockets_by_owner")
    return {(one.labels["state"], one.labels["cgroup"], one.labels["process"]): one.value for one in found}


def for_a_while(seconds: float) -> Iterator[None]:
    """Some moments of these *seconds*."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.25)
