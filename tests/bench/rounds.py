"""Counts by turns, so that what changes meanwhile changes for all."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench.costs import Cost
from tests.bench.hosts import Load
from tests.bench.subjects import FLOOR, Subject, started
from tests.lab import netns
from tests.lab.witness import by_state

ROUNDS = 7


@dataclass(frozen=True)
class Rounds:
    """What everybody took for the same sockets; all that is told are medians."""

    sockets: int
    costs: Sequence[Mapping[str, Cost]]

    def cpu(self, name: str) -> float:
        return statistics.median(costs[name].cpu for costs in self.costs)

    def wall(self, name: str) -> float:
        return statistics.median(costs[name].wall for costs in self.costs)

    def ratio(self, name: str) -> float:
        """Processor time of *name* as a multiple of what the floor took in the same round."""
        return statistics.median(costs[name].cpu / costs[FLOOR].cpu for costs in self.costs)

    def memory(self, name: str) -> int | None:
        """The peak so far, which only grows."""
        return self.costs[-1][name].memory


def compare(load: Load, subjects: Mapping[str, Subject]) -> Rounds:
    """Let *subjects* count the sockets of a host."""
    with netns.namespace() as host, load(host) as population, started(host, subjects) as measures:
        sockets, costs = by_state(host).total(), []
        for _ in range(ROUNDS):
            population.top_up_time_wait()
            costs.append({name: measure() for name, measure in measures.items()})
    return Rounds(sockets, costs)
