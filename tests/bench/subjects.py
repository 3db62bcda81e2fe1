"""Who is measured: each counts the TCP sockets of a namespace once, and says what that cost."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.daemon import ROOT
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Cost:
    """Of one count."""

    cpu: float
    """Processor time in seconds."""
    wall: float
    """Seconds."""
    memory: int | None = None
    """Peak resident bytes; not known of a program that has ended, whose peak includes the process that started it."""


Measure = Callable[[], Cost]

# Runs in a process that stays: each line of input asks for one count.
_RESIDENT = """
import sys, time
{prepare}
for _ in sys.stdin:
    cpu, wall = time.process_time(), time.perf_counter()
    {count}
    print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)
"""

_PREPARE = """
import time
from exporter.kernel import limits
from exporter.sampling import sampler
from exporter.count.census import Memory
from exporter.settings.config import Config
from exporter.count.ports import PortBook
from exporter.count.rules import PortRules
from exporter.kernel.sock_diag import SockDiag
from exporter.count.rules import OwnerRules, StuckRules
from exporter.count.suspects import Suspects
from exporter.tcp.states import WATCHED

def sample(config):
    sampler.take(source, memory, config, limits.read)

source, memory, config = SockDiag(), Memory(PortBook(PortRules())), Config()
"""
_OURS = _RESIDENT.format(prepare=_PREPARE, count="sample(config)")

# Each line makes the one above it do a little more.
_TELLING = {
    "counted by port and state": "Suspects.add = lambda *_: None",
    "and how old, and how they end": "",
    "and all stuck, with their cgroups": (
        "config = Config(stuck=StuckRules(dict.fromkeys(WATCHED, 1.0), OwnerRules(processes=False))); sample(config)\n"
        "time.sleep(1.5)"
    ),
    "and with their processes, once these are known": (
        "config = Config(stuck=StuckRules(dict.fromkeys(WATCHED, 1.0))); sample(config)\ntime.sleep(1.5)"
    ),
}
_SEARCHING = (
    "config = Config(stuck=StuckRules(dict.fromkeys(WATCHED, 1.0))); sample(config)\n"
    "time.sleep(1.5)\n"
    "plain = sampler._find_owners\n"
    "def find(suspects, owners, *rest):\n"
    "    owners.holders.clear()\n"
    "    owners._next_search = 0.0\n"
    "    plain(suspects, owners, *rest)\n"
    "sampler._find_owners = find"
)
_PSUTIL = _RESIDENT.format(
    prepare="import psutil; from collections import Counter",
    count="Counter(one.status for one in psutil.net_connections(kind='tcp'))",
)


@contextmanager
def tellers(host: Namespace) -> Iterator[dict[str, Measure]]:
    """The exporter, made to tell more and more about the watched sockets; the last one searches anew each time."""
    steps = {**_TELLING, "the search for their processes, from nothing": _SEARCHING}
    with ExitStack() as kept:
        yield {
            name: kept.enter_context(
                _resident(host, _RESIDENT.format(prepare=f"{_PREPARE}\n{step}", count="sample(config)"))
            )
            for name, step in steps.items()
        }


_AWK = ("awk", "FNR > 1 { ++S[$4] } END { for (a in S) print a, S[a] }", "/proc/net/tcp", "/proc/net/tcp6")


@contextmanager
def everybody(host: Namespace, folder: Path) -> Iterator[dict[str, Measure]]:
    """Those who are here, by name; the first is the one that the others are compared with."""
    compiled = folder / "dump"
    subprocess.run(["cc", "-O2", "-o", compiled, HERE / "dump.c"], check=True)
    with ExitStack() as kept:
        found: dict[str, Measure] = {
            "C, one walk": lambda: _whole_process(host.command(str(compiled))),
            "this exporter": kept.enter_context(_resident(host, _OURS)),
            "ss -tan": lambda: _whole_process(host.command("ss", "-tan")),
            "awk /proc/net/tcp": lambda: _whole_process(host.command(*_AWK)),
            "psutil": kept.enter_context(_resident(host, _PSUTIL)),
        }
        if shutil.which("prometheus-node-exporter"):
            found["node_exporter tcpstat"] = kept.enter_context(_node_exporter(host))
        yield found


@contextmanager
def _resident(host: Namespace, program: str) -> Iterator[Measure]:
    command = host.command(sys.executable, "-c", program)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:

        def measure() -> Cost:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            cpu, wall = map(float, process.stdout.readline().split())
            return Cost(cpu, wall, peak_of(process.pid))

        measure()
        yield measure
        process.kill()


def _whole_process(command: Sequence[str]) -> Cost:
    """The cost of a program that starts, counts and ends, less that of entering the namespace."""
    empty, found = _of_process([*command[:2], "true"]), _of_process(command)
    return Cost(max(found.cpu - empty.cpu, 0.0), max(found.wall - empty.wall, 0.0))


def _of_process(command: Sequence[str]) -> Cost:
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - begun)


@contextmanager
def _node_exporter(host: Namespace) -> Iterator[Measure]:
    flags = ("--collector.disable-defaults", "--collector.tcpstat", "--web.listen-address=127.0.0.1:9100")
    command = host.command("prometheus-node-exporter", *flags, "--log.level=error")
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        scrape = host.command("curl", "-sf", "-o", "/dev/null", "http://127.0.0.1:9100/metrics")
        wait_for(lambda: subprocess.run(scrape, check=False).returncode == 0, "node_exporter answers", seconds=20)

        def measure() -> Cost:
            cpu, wall = cpu_of(process.pid), time.perf_counter()
            subprocess.run(scrape, check=True)
            return Cost(cpu_of(process.pid) - cpu, time.perf_counter() - wall, peak_of(process.pid))

        yield measure
        process.kill()


def cpu_of(pid: int) -> float:
    """Seconds of processor time that the process has had, exactly: the sum over its threads."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def peak_of(pid: int) -> int:
    """Peak resident bytes of the process (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
