"""Sockets by the hundred thousand in one network namespace, as on a busy host."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from exporter.tcp.states import State
from tests.lab.netns import Namespace
from tests.lab.population_worker import CLIENT_PORTS, SILENT
from tests.lab.witness import by_state, mini_sockets, wait_for

SETTINGS: Mapping[str, object] = {
    "net.ipv4.tcp_max_tw_buckets": 1_000_000,
    "net.ipv4.tcp_tw_reuse": 0,
    "net.ipv4.ip_local_port_range": f"{CLIENT_PORTS.start} {CLIENT_PORTS.stop - 1}",
}

_ROOT = Path(__file__).parent.parent.parent
_DESCRIPTORS = 18_000
"""Ends that a worker holds; a process commonly may have 20,000 descriptors."""
_RESETS = "tcp flags & rst == rst"

_Worker = subprocess.Popen[str]


class Population:
    """A context in which *host* has exactly so many sockets more, besides the listening ones of the workers.

    An established connection counts twice, for each of its ends. FIN_WAIT2 and CLOSE_WAIT are held by a process and
    are each other's ends as far as their numbers go; the rest have lost theirs. Half of all first closed at the client,
    half at the server. TIME_WAIT is made last and is over after 60 s: see :meth:`top_up_time_wait`.

    Clients without a peer can be added: those in FIN_WAIT1 have a timer running, *remote_ports* are established to as
    many ports of one address, and *destinations* to one port of as many addresses.
    """

    def __init__(  # noqa: PLR0913 - a number for each state
        self,
        host: Namespace,
        *,
        established: int = 0,
        fin_wait1: int = 0,
        time_wait: int = 0,
        fin_wait2: int = 0,
        close_wait: int = 0,
        remote_ports: int = 0,
        destinations: int = 0,
        ports: int = 8,
    ) -> None:
        if established % 2:
            raise ValueError(f"established sockets come in pairs, not {established}")
        self._host, self._ports = host, ports
        both = min(fin_wait2, close_wait)
        dialled = remote_ports + destinations
        self._orders = {
            "established": established // 2,
            "half_close": both,
            "fin_wait1": fin_wait1,
            "remote_port": remote_ports,
            "destination": destinations,
        }
        self._widowed = {"fin_wait2": fin_wait2 - both, "close_wait": close_wait - both}
        descriptors = established + fin_wait1 + fin_wait2 + close_wait + dialled
        self._processes = max(2, -(-descriptors // _DESCRIPTORS))
        self._workers: list[_Worker] = []
        self._kept = ExitStack()
        self.sockets = Counter(
            {
                State.ESTABLISHED: established + dialled,
                State.FIN_WAIT1: fin_wait1,
                State.TIME_WAIT: time_wait,
                State.FIN_WAIT2: fin_wait2,
                State.CLOSE_WAIT: close_wait,
                State.LISTEN: self._processes * ports,
            }
        )
        """What ss counts by state besides those that were there before, as long as no TIME_WAIT is over."""

    def __enter__(self) -> Self:
        for name, value in SETTINGS.items():
            self._host.sysctl(name, value)
        # There and back again, and then it is nobody's.
        self._host.run("ip", "route", "replace", SILENT, "dev", "lo")
        with ExitStack() as starting:
            starting.callback(_end, self._workers)
            self._before = by_state(self._host)
            for number in range(self._processes):
                self._workers.append(_start(self._host, number + 1, self._processes, self._ports))
            self._make()
            self._kept = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._kept.close()

    def _make(self) -> None:
        for kind, count in self._orders.items():
            self._order(kind, count)
        with _resets_lost(self._host):
            for kind, count in self._widowed.items():
                self._order(kind, count)
        self.top_up_time_wait()
        wait_for(
            lambda: by_state(self._host) == self._before + self.sockets, f"a population of {self.sockets}", seconds=20
        )

    def top_up_time_wait(self) -> int:
        """Make anew those that are over, until all are there at once; the answer is how many were made."""
        made = 0
        while (missing := self.sockets[State.TIME_WAIT] - mini_sockets(self._host)) > 0:
            self._order("time_wait", missing)
            made += missing
        return made

    def _order(self, kind: str, count: int) -> None:
        for number, worker in enumerate(self._workers):
            assert worker.stdin is not None
            worker.stdin.write(f"{kind} {_share(count, len(self._workers), number)}\n")
            worker.stdin.flush()
        for worker in self._workers:
            assert worker.stdout is not None
            if worker.stdout.readline() != "done\n":
                raise RuntimeError(f"a worker did not make its share of {count} {kind}; its own message is above")


def _share(count: int, parts: int, number: int) -> int:
    """Of *count* things in *parts* parts, those in the one with that number."""
    return count // parts + (number < count % parts)


@contextmanager
def _resets_lost(host: Namespace) -> Iterator[None]:
    host.drop_input(_RESETS)
    try:
        yield
    finally:
        host.flush_input()


def _start(host: Namespace, *numbers: int) -> _Worker:
    command = host.command(sys.executable, "-m", "tests.lab.population_worker", *map(str, numbers))
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT)


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.kill()
    for worker in workers:
        with worker:  # closes the pipes, and waits
            pass
    workers.clear()
