"""The real exporter, and a real Prometheus, as processes in a network namespace."""

import http.client
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.lab.netns import Namespace
from tests.lab.witness import answered, wait_for

ROOT = Path(__file__).parent.parent.parent
PORT = 10060

WITHOUT_CAPABILITIES = (
    "setpriv",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--securebits=+noroot,+noroot_locked",
)
"""Root in name, so that root's files can be read, but with no capability at all."""

WITHOUT_NETLINK = (sys.executable, "-m", "tests.lab.sandbox")

STUCK_AFTER = 2
"""Seconds after which a socket is stuck, in these tests."""
UNHURRIED_AFTER = 6
"""Seconds, in tests of sockets that are not stuck: on a busy machine, programs pause for two."""


def stuck_after(seconds: int) -> str:
    """A configuration by which sockets are soon stuck."""
    states = ("fin_wait2", "close_wait", "last_ack", "fin_wait1")
    thresholds = "".join(f"  {state}: {seconds}s\n" for state in states)
    return f"interval: 500ms\nmax_cpu: 100%\nstuck_after:\n{thresholds}"


QUICK = stuck_after(STUCK_AFTER)


@dataclass(frozen=True)
class Answer:
    status: int
    body: str


@dataclass(frozen=True)
class Process:
    """A program that serves HTTP on loopback of *place*."""

    place: Namespace
    popen: "subprocess.Popen[bytes]"
    log: Path
    port: int
    clients: list[http.client.HTTPConnection] = field(default_factory=list)
    """The connection that all questions share: one each would change what is counted."""

    def connect(self) -> http.client.HTTPConnection:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with self.place.entered():
            client.connect()
        return client

    def ask(self, path: str = "/metrics", method: str = "GET") -> Answer:
        if not self.clients:
            self.clients.append(self.connect())
        self.clients[0].request(method, path)
        answer = self.clients[0].getresponse()
        return Answer(answer.status, answer.read().decode())

    def is_up(self, path: str) -> bool:
        try:
            return self.ask(path).status == 200
        except OSError:
            assert self.popen.poll() is None, f"ended: {self.log.read_text()}"
            return False

    def value(self, name: str, **labels: str) -> float:
        """The one sample of that name with these labels, or the sum of several; waits while there is none."""

        def found() -> list[float]:
            return [one.value for one in self.samples(name) if labels.items() <= one.labels.items()]

        return sum(answered(found, f"{name} {labels} is told"))

    def samples(self, name: str) -> list[Sample]:
        """The samples of that name."""
        families = text_string_to_metric_families(self.ask().body)
        return [one for family in families for one in family.samples if one.name == name]

    def by_state(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for family in text_string_to_metric_families(self.ask().body):
            if family.name == "tcpstate_sockets":
                for one in family.samples:
                    counts[one.labels["state"]] += int(one.value)
        return counts

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def end(self) -> tuple[int, float]:
        """Exit code after SIGTERM, and how many seconds that took."""
        begun = time.monotonic()
        self.popen.terminate()
        return self.popen.wait(10), time.monotonic() - begun


@contextmanager
def _process(place: Namespace, command: Sequence[str], log: Path, port: int, probe: str | None) -> Iterator[Process]:
    with log.open("wb") as output:
        popen = subprocess.Popen(place.command(*command), stdout=output, stderr=output, cwd=ROOT)
    running = Process(place, popen, log, port)
    try:
        if probe:
            wait_for(lambda: running.is_up(probe), f"{command[0]} serves {probe}", seconds=20)
        yield running
    finally:
        for client in running.clients:
            client.close()
        popen.kill()
        popen.wait()


@contextmanager
def exporter(
    place: Namespace, log: Path, *flags: str, within: Sequence[str] = (), ready: bool = True
) -> Iterator[Process]:
    """The exporter in *place*, started by the command *within* if there is one; by default when it is ready."""
    command = [*within, sys.executable, "-m", "exporter", f"--web.listen-address=127.0.0.1:{PORT}", *flags]
    with _process(place, command, log, PORT, "/-/ready" if ready else None) as running:
        yield running


_PROMETHEUS = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: tcp-state-exporter
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@contextmanager
def prometheus(place: Namespace, folder: Path, config: Path | None = None) -> Iterator[Process]:
    """A Prometheus by *config*, or one that scrapes the exporter of *place* every second."""
    if config is None:
        config = folder / "prometheus.yml"
        config.write_text(_PROMETHEUS.format(port=PORT))
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:9090",
    ]
    with _process(place, command, folder / "prometheus.log", 9090, "/-/ready") as running:
        yield running


@contextmanager
def alertmanager(place: Namespace, folder: Path, config: Path) -> Iterator[Process]:
    """An Alertmanager by *config*."""
    command = [
        "prometheus-alertmanager",
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        "--web.listen-address=127.0.0.1:9093",
        "--cluster.listen-address=",
    ]
    with _process(place, command, folder / "alertmanager.log", 9093, "/-/ready") as running:
        yield running


def query(server: Process, expression: str) -> list[tuple[dict[str, str], float]]:
    """What Prometheus answers: labels and value of each series."""
    found = json.loads(server.ask(f"/api/v1/query?query={quote(expression)}").body)
    assert found["status"] == "success", found
    return [(one["metric"], float(one["value"][1])) for one in found["data"]["result"]]
