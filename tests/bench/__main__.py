"""Prints the tables of the README; arguments are numbers of sockets."""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.subjects import Cost, Measure, cpu_of, everybody, peak_of, tellers
from tests.lab import netns
from tests.lab.daemon import Process, exporter
from tests.lab.netns import Namespace
from tests.lab.population import Population
from tests.lab.witness import by_state, wait_for

SIZES = (200, 10_000, 50_000, 250_000)
ROUNDS = 5
SCRAPES = 400


def main(sizes: Sequence[int]) -> None:
    print(f"{os.cpu_count()} cores, Linux {os.uname().release.split('-')[0]}, Python {sys.version.split()[0]}\n")
    for size in sizes:
        compare(size)
    telling(sizes[-1], watched=sizes[-1] * 2 // 25)
    print("The daemon, sampling every second, and 400 scrapes of it over one connection:\n")
    print("| sockets | series | peak memory | CPU per sample | scrape p50 | p99 | longest |")
    print("|---|---|---|---|---|---|---|")
    for size in (sizes[0], sizes[-1]):
        daemon(size)


def compare(size: int) -> None:
    """Everybody counts the same sockets, by turns, so that what changes changes for all."""
    with netns.namespace() as host, tempfile.TemporaryDirectory() as folder:
        with mixture(host, size) as mixed, everybody(host, Path(folder)) as subjects:
            sockets = by_state(host).total()
            rounds = [measured(mixed, subjects) for _ in range(ROUNDS)]
        print(f"{sockets:,} sockets, medians of {ROUNDS} rounds:\n")
        report(rounds)


def mixture(host: Namespace, size: int, ports: int = 10) -> Population:
    """So many sockets, as many to the hundred in each state as the README says."""
    hundredth = size // 100
    return Population(
        host,
        established=60 * hundredth,
        time_wait=36 * hundredth,
        fin_wait2=2 * hundredth,
        close_wait=2 * hundredth,
        ports=ports,
    )


def measured(mixed: Population, subjects: Mapping[str, Measure]) -> dict[str, Cost]:
    """What each of *subjects* takes for the whole population."""
    mixed.top_up_time_wait()
    return {name: measure() for name, measure in subjects.items()}


def report(rounds: Sequence[Mapping[str, Cost]]) -> None:
    """A table of medians; ratios are of the same round."""
    first, ours, *_ = rounds[0]
    print("| who | CPU | wall | peak memory | this exporter's CPU is |")
    print("|---|---|---|---|---|")
    for name in rounds[0]:
        cpu, wall = (statistics.median(getattr(one[name], field) for one in rounds) for field in ("cpu", "wall"))
        peak = rounds[-1][name].memory
        ratio = statistics.median(one[ours].cpu / max(one[name].cpu, 1e-6) for one in rounds)
        shown = "" if name == ours else f"{ratio:.2f} x" if name == first else f"1/{1 / ratio:.1f}"
        print(
            f"| {name} | {cpu * 1e3:.1f} ms | {wall * 1e3:.1f} ms "
            f"| {f'{peak / 1e6:.0f} MB' if peak else ''} | {shown} |"
        )
    print(flush=True)


def telling(established: int, watched: int) -> None:
    """What it costs to tell the ages, the ends and the holders of the sockets that could be stuck."""
    with (
        netns.namespace() as host,
        Population(host, established=established, fin_wait2=watched // 2, close_wait=watched // 2),
        tellers(host) as subjects,
    ):
        rounds = [{name: measure() for name, measure in subjects.items()} for _ in range(ROUNDS)]
    print(f"{established:,} established and {watched:,} watched sockets, medians of {ROUNDS} rounds:\n")
    print("| what is told of the watched ones | CPU | of the first line |")
    print("|---|---|---|")
    first = next(iter(rounds[0]))
    for name in rounds[0]:
        cpu = statistics.median(one[name].cpu for one in rounds)
        ratio = statistics.median(one[name].cpu / one[first].cpu for one in rounds)
        print(f"| {name} | {cpu * 1e3:.0f} ms | {ratio:.2f} |")
    print(flush=True)


def daemon(size: int) -> None:
    """The real process, with as many series as fit, while it samples."""
    with netns.namespace() as host, tempfile.TemporaryDirectory() as folder, mixture(host, size, ports=90):
        config = Path(folder) / "config.yaml"
        config.write_text("interval: 1s\nmax_cpu: 100%\n")
        with exporter(host, Path(folder) / "log", f"--config.file={config}") as running:
            measure_daemon(host, running)


def measure_daemon(host: Namespace, running: Process) -> None:
    pid = running.popen.pid
    wait_for(lambda: running.value("tcpstate_samples_total") > 2, "some samples", seconds=30)
    samples, cpu = running.value("tcpstate_samples_total"), cpu_of(pid)
    time.sleep(5)
    per_sample = (cpu_of(pid) - cpu) / (running.value("tcpstate_samples_total") - samples)
    waits = sorted(_scrape(running) for _ in range(SCRAPES))
    series = sum(not line.startswith("#") for line in running.ask().body.splitlines())
    p50, p99, longest = (waits[int(SCRAPES * share)] * 1e3 for share in (0.5, 0.99, 0.9999))
    print(
        f"| {by_state(host).total():,} | {series:,} | {peak_of(pid) / 1e6:.1f} MB | {per_sample * 1e3:.0f} ms "
        f"| {p50:.1f} ms | {p99:.1f} ms | {longest:.1f} ms |",
        flush=True,
    )


def _scrape(running: Process) -> float:
    time.sleep(0.02)
    begun = time.perf_counter()
    running.ask()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or SIZES)
