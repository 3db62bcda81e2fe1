"""Who is measured: each counts the TCP sockets of a namespace once, and says what that cost."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.bench.costs import Cost, Measure, cpu_of, peak_of
from tests.lab.daemon import ROOT
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

FLOOR = "C, one walk"
"""Everybody is compared with it."""
OURS = "this exporter"
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Starts a program that nobody but us would end."""

_HERE = Path(__file__).parent
_AWK = ("awk", "FNR > 1 { ++S[$4] } END { for (a in S) print a, S[a] }", "/proc/net/tcp", "/proc/net/tcp6")

Subject = Callable[[Namespace], AbstractContextManager[Measure]]


@contextmanager
def floor(host: Namespace) -> Iterator[Measure]:
    """The least that counting by state can cost: see dump.c."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = f"{folder}/dump"
        subprocess.run(["cc", "-O2", "-o", compiled, _HERE / "dump.c"], check=True)
        yield partial(_whole_process, host, [compiled])


@contextmanager
def program(host: Namespace, command: Sequence[str]) -> Iterator[Measure]:
    """A program that starts, counts, prints and ends."""
    yield partial(_whole_process, host, command)


def _whole_process(host: Namespace, command: Sequence[str]) -> Cost:
    """The cost of the program, less that of entering the namespace."""
    empty, found = _of_process(host.command("true")), _of_process(host.command(*command))
    return Cost(max(found.cpu - empty.cpu, 1e-6), max(found.wall - empty.wall, 0.0))


def _of_process(command: Sequence[str]) -> Cost:
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command} ended with {process.returncode}"
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - begun)


@contextmanager
def resident(host: Namespace, counter: str) -> Iterator[Measure]:
    """One of ``resident.COUNTERS``, after a first count that is not measured."""
    command = host.command(sys.executable, "-m", "tests.bench.resident", counter)
    with _running(command, subprocess.PIPE) as process:
        measure = partial(_ask, process)
        measure()
        yield measure


def _ask(process: "subprocess.Popen[str]") -> Cost:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    cpu, wall = map(float, process.stdout.readline().split())
    return Cost(cpu, wall, peak_of(process.pid))


@contextmanager
def _running(command: Sequence[str], pipe: int | None = None) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def node_exporter(host: Namespace) -> Iterator[Measure]:
    """A scrape of its tcpstat alone."""
    flags = ("--collector.disable-defaults", "--collector.tcpstat", "--web.listen-address=127.0.0.1:9100")
    command = host.command(*ENDS_WITH_US, "prometheus-node-exporter", *flags, "--log.level=error")
    scrape = host.command("curl", "-sf", "-o", "/dev/null", "http://127.0.0.1:9100/metrics")
    with _running(command) as process:
        wait_for(lambda: subprocess.run(scrape, check=False).returncode == 0, "node_exporter answers", seconds=20)
        yield partial(_scrape, process.pid, scrape)


def _scrape(pid: int, command: Sequence[str]) -> Cost:
    cpu, wall = cpu_of(pid), time.perf_counter()
    subprocess.run(command, check=True)
    return Cost(cpu_of(pid) - cpu, time.perf_counter() - wall, peak_of(pid))


def ours(counter: str) -> Mapping[str, Subject]:
    """Only this exporter, with one of ``resident.COUNTERS``, and what it is compared with."""
    return {FLOOR: floor, OURS: partial(resident, counter=counter)}


def everybody() -> Mapping[str, Subject]:
    """Also those who are used for want of an exporter like this."""
    return {
        **ours("counted"),
        "`ss -tan`": partial(program, command=("ss", "-tan")),
        "`awk` on `/proc/net/tcp` and `tcp6`": partial(program, command=_AWK),
        "node_exporter, tcpstat alone": node_exporter,
        "`psutil.net_connections()`": partial(resident, counter="psutil"),
    }


@contextmanager
def started(host: Namespace, subjects: Mapping[str, Subject]) -> Iterator[Mapping[str, Measure]]:
    """All of *subjects*, waiting in *host* to be asked."""
    with ExitStack() as kept:
        yield {name: kept.enter_context(subject(host)) for name, subject in subjects.items()}
