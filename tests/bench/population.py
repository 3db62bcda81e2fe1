"""Sockets by the hundred thousand, in a network namespace of their own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.lab.daemon import ROOT
from tests.lab.netns import Namespace

PAIRS_A_WORKER = 9000
"""Two descriptors each, of the 20,000 that a process commonly may have."""


@dataclass(frozen=True)
class Mix:
    """How many sockets of each kind; those of a connection's two ends count both."""

    sockets: int
    ports: int = 10

    @property
    def established(self) -> int:
        return self.sockets * 60 // 100

    @property
    def time_wait(self) -> int:
        return self.sockets * 36 // 100

    @property
    def half_closed(self) -> int:
        """FIN_WAIT2 and CLOSE_WAIT together."""
        return self.sockets * 4 // 100


@contextmanager
def population(host: Namespace, mix: Mix) -> Iterator[None]:
    """The sockets of *mix* in *host*. TIME_WAIT is made last, since it is over after a minute."""
    host.sysctl("net.ipv4.tcp_max_tw_buckets", 1_000_000)
    host.sysctl("net.ipv4.tcp_tw_reuse", 0)
    host.sysctl("net.ipv4.ip_local_port_range", "10000 65000")
    host.sysctl("net.ipv4.ip_local_reserved_ports", "10060")
    pairs, half_closed, time_wait = mix.established // 2, mix.half_closed // 2, mix.time_wait
    workers = -(-(pairs + half_closed) // PAIRS_A_WORKER)
    with ExitStack() as kept:
        _run(host, kept, range(workers), (mix.ports, pairs // workers, half_closed // workers, 0))
        closers = max(2, time_wait // 20000)
        _run(host, kept, range(100, 100 + closers), (mix.ports, 0, 0, time_wait // closers))
        yield


def _run(host: Namespace, kept: ExitStack, workers: range, arguments: tuple[int, int, int, int]) -> None:
    """Start workers, each on an address with its number, and wait until all have made what they should."""
    running = []
    for number in workers:
        command = host.command(sys.executable, "-m", "tests.bench.worker", f"127.1.{number}.1", *map(str, arguments))
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT))
    for one in running:
        kept.callback(_end, one)
    for one in running:
        assert one.stdout is not None
        if one.stdout.readline() != b"ready\n":
            raise RuntimeError("a worker could not make its sockets")


def _end(worker: "subprocess.Popen[bytes]") -> None:
    worker.kill()
    worker.wait()
    for stream in (worker.stdin, worker.stdout):
        if stream:
            stream.close()
