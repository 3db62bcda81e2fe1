"""A Prometheus that watches a fleet, with the rules as they are shipped."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.bench.costs import cpu_of
from tests.bench.subjects import ENDS_WITH_US
from tests.bench.targets import PORT as TARGETS_PORT
from tests.bench.targets import SCRAPED_EACH
from tests.lab import netns
from tests.lab.daemon import ROOT, Process
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

SHIPPED = ROOT / "deploy/prometheus"
EVALUATED_EACH = 15

_PORT = 9090
_LONGEST = 130
"""Seconds; Prometheus itself ends a query after 120."""
_FLAGS = (
    f"--web.listen-address=127.0.0.1:{_PORT}",
    "--web.enable-lifecycle",
    "--web.read-timeout=1h",
    # What is written back would be put together to larger blocks, while something else is measured.
    "--storage.tsdb.min-block-duration=2h",
    "--storage.tsdb.max-block-duration=2h",
)

Json = dict[str, Any]


class Spent(NamedTuple):
    """What the process has used between two moments."""

    cpu: float
    seconds: float

    @property
    def rate(self) -> float:
        """Cores."""
        return self.cpu / self.seconds


class Scraper:
    """The running Prometheus; its files are in *folder*."""

    def __init__(self, server: Process, folder: Path, rules: Path, begun: float) -> None:
        self._server, self._folder, self._rules = server, folder, rules
        self.pid = server.popen.pid
        self.begun = begun
        """Unix time before which nothing was scraped."""
        self.data = folder / "data"

    def asked(self, path: str, **parameters: object) -> Json:
        """The document that the API answers with, an error included."""
        found: Json = json.loads(self._server.ask(f"/api/v1/{path}?{urlencode(parameters)}").body)
        return found

    def data_of(self, path: str, **parameters: object) -> Any:
        """What it says when all is well."""
        found = self.asked(path, **parameters)
        assert found["status"] == "success", found
        return found["data"]

    def number(self, expression: str) -> float:
        """The value of an expression of one series; 0 if it has none."""
        found = self.data_of("query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def own(self, name: str) -> float:
        """A metric of Prometheus itself, which nobody scrapes."""
        return self._server.value(name)

    def load(self, *, rules: bool) -> None:
        """Go on with or without the rules."""
        files = [str(self._rules / name) for name in ("rules.yml", "alerts.yml")] if rules else []
        _configure(self._folder, files)
        answer = self._server.ask("/-/reload", "POST")
        assert answer.status == 200, answer.body

    @contextmanager
    def spending(self) -> Iterator[list[Spent]]:
        """Adds what is spent meanwhile to the list."""
        spent: list[Spent] = []
        cpu, begun = cpu_of(self.pid), time.perf_counter()
        yield spent
        spent.append(Spent(cpu_of(self.pid) - cpu, time.perf_counter() - begun))


@contextmanager
def watching(hosts: int, rules: Path) -> Iterator[Scraper]:
    """A Prometheus that scrapes so many hosts and has the rules of the folder *rules*."""
    with tempfile.TemporaryDirectory() as name, netns.namespace() as place, _fleet(place):
        folder = Path(name)
        (folder / "targets.json").write_text(json.dumps([_target(host) for host in range(hosts)]))
        _configure(folder, [])
        begun = time.time()
        with _prometheus(place, folder) as server:
            scraper = Scraper(server, folder, rules, begun)
            scraper.load(rules=True)
            wait_for(lambda: scraper.number("sum(up)") == hosts, "all hosts are scraped", seconds=120)
            yield scraper


def _target(host: int) -> Mapping[str, object]:
    labels = {"instance": f"web-{host}:{TARGETS_PORT}", "__metrics_path__": f"/host/{host}/metrics"}
    return {"targets": [f"127.0.0.1:{TARGETS_PORT}"], "labels": labels}


def _configure(folder: Path, rules: Sequence[str]) -> None:
    """JSON is YAML."""
    scraped = {"job_name": "tcp-state-exporter", "file_sd_configs": [{"files": [str(folder / "targets.json")]}]}
    intervals = {"scrape_interval": f"{SCRAPED_EACH}s", "evaluation_interval": f"{EVALUATED_EACH}s"}
    config = {"global": intervals, "rule_files": rules, "scrape_configs": [scraped]}
    (folder / "prometheus.yml").write_text(json.dumps(config))


@contextmanager
def _fleet(place: Namespace) -> Iterator[None]:
    command = place.command(*ENDS_WITH_US, sys.executable, "-m", "tests.bench.targets")
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def _prometheus(place: Namespace, folder: Path) -> Iterator[Process]:
    flags = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}", *_FLAGS)
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(place.command(*ENDS_WITH_US, "prometheus", *flags), stdout=output, stderr=output) as process,
    ):
        try:
            yield _connected(Process(place, process, log, _PORT))
        finally:
            process.kill()


def _connected(server: Process) -> Process:
    """Once it is ready, with a connection that waits as long as its queries may take."""
    wait_for(lambda: server.is_up("/-/ready"), "Prometheus is ready", seconds=60)
    client = HTTPConnection("127.0.0.1", server.port, timeout=_LONGEST)
    with server.place.entered():
        client.connect()
    server.clients[:] = [client]
    return server
