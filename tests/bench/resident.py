"""A process that stays, and counts the sockets of its network namespace when a line of input asks for it.

    python -m tests.bench.resident COUNTER

The answer is a line with the seconds that this took: of processor time, and on the clock. Each counter imports what it
needs, because the memory of the process is measured too.
"""

import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from exporter.sampling.sample import Sampling

Count = Callable[[], object]

_NEVER = 24 * 3600.0
_AT_ONCE = 1.0
_SEARCH = 20.0
"""Seconds after which another search for owners may begin; a longer gap between samples would be taken for a pause."""
_SEARCHES = 60


def counted() -> Count:
    """Finished samples, not rendered; no socket is stuck, however long the bench takes."""
    return _sampling(_NEVER, time.monotonic).take


def everywhere() -> Count:
    """The same of all network namespaces, counted inside the kernel."""
    return _sampling(_NEVER, time.monotonic, source="bpf").take


def everywhere_by_probes() -> Count:
    """As that on kernels before 6.2, where each load is a call."""
    from exporter.kernel.bpf import skeletons

    skeletons.TYPED = skeletons.PROBE
    return everywhere()


def own_by_bpf() -> Count:
    """Of our own network namespace, counted inside the kernel."""
    return _sampling(_NEVER, time.monotonic, source="bpf", which="own").take


def stuck() -> Count:
    """The same, with all watched sockets stuck and their owners known: the time to find them passes on paper."""
    passed = 0.0
    sampling = _sampling(_AT_ONCE, lambda: time.monotonic() + passed)
    for _ in range(_SEARCHES):
        passed += _SEARCH
        owners = sampling.take().census.stuck.owners
        if owners and all(owner.process for owner in owners):
            return sampling.take
    raise RuntimeError("not all owners were found")


def _sampling(
    stuck_after: float,
    clock: Callable[[], float],
    source: str = "sock_diag",
    which: 'Literal["own", "all"] | None' = None,
) -> "Sampling":
    """By *source*; if nothing else is said, bpf counts *which* namespaces there are, and others only our own."""
    from exporter.count.rules import NamespaceRules, OwnerRules, StuckRules
    from exporter.sampling.clocks import Clocks
    from exporter.sampling.sample import Sampling
    from exporter.settings.config import Config
    from exporter.tcp.states import WATCHED

    # Owners are told apart, so that one shows who is not known.
    rules = StuckRules(dict.fromkeys(WATCHED, stuck_after), OwnerRules(max=1000))
    namespaces = NamespaceRules(which or ("all" if source == "bpf" else "own"))
    return Sampling(Config(source=source, namespaces=namespaces, stuck=rules), Clocks(monotonic=clock))


def psutil() -> Count:
    """What is in every answer on the net."""
    from collections import Counter

    from psutil import net_connections

    return lambda: Counter(one.status for one in net_connections(kind="tcp"))


COUNTERS: Mapping[str, Callable[[], Count]] = {
    maker.__name__: maker for maker in (counted, everywhere, everywhere_by_probes, own_by_bpf, stuck, psutil)
}


def main() -> None:
    count = COUNTERS[sys.argv[1]]()
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        count()
        print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)


if __name__ == "__main__":
    main()
