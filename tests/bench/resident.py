"""A process that stays, and counts the sockets of its network namespace when a line of input asks for it.

    python -m tests.bench.resident COUNTER

The answer is a line with the seconds that this took: of processor time, and on the clock. Each counter imports what it
needs, because the memory of the process is measured too.
"""

import sys
import time
from collections.abc import Callable, Mapping

Count = Callable[[], object]

_NEVER = 24 * 3600.0
_AT_ONCE = 1.0


def counted() -> Count:
    """Finished samples, not rendered; no socket is stuck, however long the bench takes."""
    return _samples(_NEVER)


def stuck() -> Count:
    """The same, with all watched sockets stuck, and looked for until their owners are known."""
    take = _samples(_AT_ONCE)
    for _ in range(3):
        take()
        time.sleep(_AT_ONCE)
    return take


def _samples(stuck_after: float) -> Count:
    from exporter.count.rules import StuckRules
    from exporter.sampling.sample import Sampling
    from exporter.settings.config import Config
    from exporter.tcp.states import WATCHED

    return Sampling(Config(source="sock_diag", stuck=StuckRules(dict.fromkeys(WATCHED, stuck_after)))).take


def psutil() -> Count:
    """What is in every answer on the net."""
    from collections import Counter

    from psutil import net_connections

    return lambda: Counter(one.status for one in net_connections(kind="tcp"))


COUNTERS: Mapping[str, Callable[[], Count]] = {maker.__name__: maker for maker in (counted, stuck, psutil)}


def main() -> None:
    count = COUNTERS[sys.argv[1]]()
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        count()
        print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)


if __name__ == "__main__":
    main()
