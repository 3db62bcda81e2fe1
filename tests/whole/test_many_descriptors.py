"""An exporter whose own descriptors have numbers beyond those that select(2) knows."""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.lab.daemon import WITHOUT_NETLINK, Process, exporter
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

OPEN = 1100
CROWDED = (sys.executable, "-m", "tests.lab.crowded", str(OPEN))


def _status(client: HTTPConnection) -> int:
    client.request("GET", "/metrics")
    return client.getresponse().status


def descriptors(running: Process) -> set[int]:
    return {int(entry.name) for entry in Path(f"/proc/{running.popen.pid}/fd").iterdir()}


@pytest.mark.parametrize("source", ["sock_diag", "procfs"])
def test_beyond_the_thousandth_descriptor_it_samples_and_serves(host: Namespace, tmp_path: Path, source: str) -> None:
    (tmp_path / "config.yaml").write_text("interval: 200ms\nmax_cpu: 100%\n")
    flag = f"--config.file={tmp_path / 'config.yaml'}"
    within = [*CROWDED, *(WITHOUT_NETLINK if source == "procfs" else ())]
    with exporter(host, tmp_path / "log", flag, within=within) as running:
        assert max(descriptors(running)) > OPEN > 1024
        assert running.value("tcpstate_up") == 1
        assert running.value("tcpstate_source_info", source=source) == 1
        samples = running.value("tcpstate_samples_total")
        wait_for(lambda: running.value("tcpstate_samples_total") > samples + 3, "it goes on sampling")
        assert running.by_state()["listen"] == 1

        clients = [running.connect() for _ in range(50)]
        with ThreadPoolExecutor(10) as pool:
            statuses = set(pool.map(_status, clients))
        for client in clients:
            client.close()
        assert statuses == {200}

        running.signal(signal.SIGHUP)
        wait_for(lambda: "configuration reloaded" in (tmp_path / "log").read_text(), "it has loaded its configuration")
        assert running.ask("/").status == 200
        assert running.end()[0] == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
