"""What the whole daemon costs, with all that a sample's result is rendered to."""

import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from tests.bench import hosts
from tests.bench.costs import Measure, cpu_of, peak_of
from tests.bench.daemons import EACH_SECOND, Daemon, running
from tests.bench.hosts import Scale
from tests.bench.rounds import ROUNDS
from tests.bench.subjects import floor
from tests.bench.tables import Table, megabytes, milliseconds, multiple
from tests.lab import netns
from tests.lab.witness import by_state

SCRAPES = 400
_PORTS = (10, 90)
_SCRAPED = (
    "The daemon, sampling and scraped as by Prometheus each second: CPU of a sample, its rendering and a scrape,"
    f" medians of {ROUNDS}, and as a multiple of C's right after each; then {SCRAPES} scrapes, 20 ms apart."
)


class Sampled(NamedTuple):
    """What one sample cost."""

    daemon: float
    """Seconds of processor time, with the rendering and one scrape."""
    floor: float
    """What the floor took right after it."""


def scraped(scale: Scale) -> Table:
    """A busy host that serves few ports, and one that serves as many as have labels."""
    head = ("sockets", "served ports", "series", "peak memory", "CPU", "of C", "scrape p50", "p99", "longest")
    return Table(_SCRAPED, head, [_scraped(scale(250_000), served) for served in _PORTS])


def _scraped(size: int, served: int) -> Sequence[str]:
    with (
        netns.namespace() as host,
        hosts.busy(size, served)(host),
        running(host, EACH_SECOND) as daemon,
        floor(host) as walk,
    ):
        sockets = f"{by_state(host).total():,}"
        samples = [_sampled(daemon, walk) for _ in range(ROUNDS)]
        waits = sorted(_wait(daemon) for _ in range(SCRAPES))
        daemon.require_samples()
        return sockets, str(served), _series(daemon), megabytes(peak_of(daemon.pid)), *_costs(samples), *_times(waits)


def _sampled(daemon: Daemon, walk: Measure) -> Sampled:
    daemon.rest()
    before, begun = daemon.samples(), cpu_of(daemon.pid)
    taken = 0
    while not taken:
        time.sleep(1)
        daemon.rest()
        taken = daemon.samples() - before
    return Sampled((cpu_of(daemon.pid) - begun) / taken, walk().cpu)


def _costs(samples: Sequence[Sampled]) -> Sequence[str]:
    cpu = statistics.median(one.daemon for one in samples)
    return milliseconds(cpu), multiple(statistics.median(one.daemon / one.floor for one in samples))


def _wait(daemon: Daemon) -> float:
    time.sleep(0.02)
    begun = time.perf_counter()
    daemon.scrape()
    return time.perf_counter() - begun


def _times(waits: Sequence[float]) -> Sequence[str]:
    return [milliseconds(waits[int(len(waits) * share)]) for share in (0.5, 0.99, 0.9999)]


def _series(daemon: Daemon) -> str:
    return f"{sum(not line.startswith('#') for line in daemon.scrape().splitlines()):,}"
