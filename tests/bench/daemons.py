"""The whole exporter as a process, asked as Prometheus asks."""

import gzip
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from tests.bench.costs import cpu_of, peak_of, resident_of
from tests.bench.hosts import Load
from tests.bench.subjects import ENDS_WITH_US
from tests.lab import netns
from tests.lab.daemon import exporter
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

EACH_SECOND = "interval: 1s\nmax_cpu: 100%\n"
ALL_STUCK = "stuck_after: {fin_wait2: 1s, close_wait: 1s}\nowners: {max: 1000}\n"
"""With owners told apart, so that one shows who is not known."""

_PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
    "Accept-Encoding": "gzip",
}
_SETTLES = 10
"""Seconds for which a peak that does not grow is the peak."""
_LONGEST = 600
"""Seconds in which 200,000 owners have to be found."""
_FORGOTTEN = 90
"""Seconds after which a host's last TIME_WAIT is over and the exporter has forgotten who held what."""


class Daemon:
    """A running exporter, and one connection to it."""

    def __init__(self, pid: int, client: HTTPConnection) -> None:
        self.pid, self._client = pid, client

    def ask(self, path: str, **headers: str) -> bytes:
        self._client.request("GET", path, headers=headers)
        answer = self._client.getresponse()
        body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status} {body!r}"
        return body

    def scrape(self) -> str:
        return gzip.decompress(self.ask("/metrics", **_PROMETHEUS)).decode()

    def samples(self) -> int:
        """How many it has taken, as a scrape says."""
        found = re.search(r"^tcpstate_samples_total (\d+)", self.scrape(), re.MULTILINE)
        assert found
        return int(found[1])

    def require_samples(self) -> None:
        """An exporter whose samples fail would be cheap."""
        assert re.search(r"^tcpstate_up 1", self.scrape(), re.MULTILINE), "samples fail"

    def searches(self) -> bool:
        """Whether there are stuck sockets whose owners are not known yet."""
        return re.search(r'^tcpstate_stuck_sockets_by_owner\{.*process=""', self.scrape(), re.MULTILINE) is not None

    def rest(self) -> None:
        """Wait until it has nothing to do: between two samples."""
        wait_for(self._is_at_rest, "the exporter is at rest between two samples", seconds=60)

    def _is_at_rest(self) -> bool:
        before = cpu_of(self.pid)
        time.sleep(0.1)
        return cpu_of(self.pid) - before < 0.001

    def live(self, seconds: int) -> None:
        """Scrape each second for so long."""
        for _ in range(seconds):
            self.scrape()
            time.sleep(1)


@contextmanager
def running(host: Namespace, config: str) -> Iterator[Daemon]:
    """The exporter in *host* with the configuration *config*; ready."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "config.yaml"
        file.write_text(config)
        with exporter(host, Path(name) / "log", f"--config.file={file}", within=ENDS_WITH_US) as process:
            yield Daemon(process.popen.pid, process.clients[0])


class Footprint(NamedTuple):
    """Memory in bytes."""

    before: int
    peak: int
    after: int | None = None
    """When the sockets have gone, and all that is remembered of them."""


def footprint(load: Load, config: str, *, after: bool = False) -> Footprint:
    """Of an exporter that sees a host's sockets come, learns who holds those that are stuck, and sees them go."""
    with netns.namespace() as host, running(host, config) as daemon:
        daemon.live(5)
        before = resident_of(daemon.pid)
        with load(host):
            peak = _settled_peak(daemon)
        daemon.live(_FORGOTTEN if after else 0)
        return Footprint(before, peak, resident_of(daemon.pid) if after else None)


def _settled_peak(daemon: Daemon) -> int:
    """The peak once it has not grown for some seconds, and nobody is looked for any more."""
    before, end = 0, time.monotonic() + _LONGEST
    while peak_of(daemon.pid) > before * 1.01 or daemon.searches():
        assert time.monotonic() < end, f"not within {_LONGEST} s: settled memory, all owners known"
        before = peak_of(daemon.pid)
        daemon.live(_SETTLES)
    daemon.require_samples()
    return peak_of(daemon.pid)
