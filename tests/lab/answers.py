"""What a running exporter says of stuck sockets; while it has no fresh sample it says nothing, and no test fails."""

import json
import math
import time
from collections.abc import Iterator
from typing import Any

from tests.lab.daemon import Process


def counted(running: Process, name: str, **labels: object) -> float:
    """The sum of the samples of that name with these labels; not a number where there are none."""
    wanted = {label: str(value) for label, value in labels.items()}
    found = [one.value for one in running.samples(name) if wanted.items() <= one.labels.items()]
    return sum(found) if found else math.nan


def stuck(running: Process, **labels: object) -> float:
    """How many are stuck; not a number while that is not known."""
    return counted(running, "tcpstate_stuck_sockets", **labels)


def stuck_list(running: Process) -> list[dict[str, Any]]:
    """One by one, the oldest first; empty while that is not known."""
    answer = running.ask("/api/v1/stuck?limit=1000")
    return [*json.loads(answer.body)["sockets"]] if answer.status == 200 else []


def owners(running: Process) -> dict[tuple[str, str, str], float]:
    """Stuck sockets by state, cgroup and process."""
    found = running.samples("tcpstate_stuck_sockets_by_owner")
    return {(one.labels["state"], one.labels["cgroup"], one.labels["process"]): one.value for one in found}


def for_a_while(seconds: float) -> Iterator[None]:
    """Some moments of these *seconds*."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.25)
