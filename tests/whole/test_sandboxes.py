"""The exporter on kernels that are not Linux, or show less of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.daemon import ROOT, WITHOUT_NETLINK, exporter
from tests.lab.netns import Namespace
from tests.lab.sandbox import GVISOR, WITHOUT_TABLES
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

HALF_CLOSED = 5
LISTENING = [*range(7000, 7030)]


def in_gvisor(form: str) -> "subprocess.CompletedProcess[str]":
    """One sample in a sandbox with sockets in LISTEN, FIN_WAIT2 and CLOSE_WAIT."""
    python = (sys.executable, "-m")
    sockets = (*python, "tests.lab.half_closed", str(HALF_CLOSED), ",".join(map(str, LISTENING)))
    command = [*GVISOR, *sockets, *python, "exporter", f"--once={form}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)


def test_in_gvisor_every_listening_socket_is_found_and_every_socket_has_its_role() -> None:
    """It shows them in random order."""
    done = in_gvisor("json")

    found = json.loads(done.stdout)
    assert found["source"] == "procfs"
    assert found["totals"]["listen"] == len(LISTENING)
    assert {row["port"] for row in found["ports"] if row["role"] == "server"} == {*map(str, LISTENING), "other"}
    sockets = {row["role"]: row["sockets"] for row in found["ports"] if row["port"] == "7000"}
    assert (sockets["server"]["close_wait"], sockets["client"]["fin_wait2"]) == (HALF_CLOSED, HALF_CLOSED)


def test_in_gvisor_nothing_is_said_of_how_sockets_end_nor_of_accept_queues() -> None:
    """It shows neither timers nor queues."""
    done = in_gvisor("prometheus")

    found = {family.name for family in text_string_to_metric_families(done.stdout) if family.samples}
    assert "tcpstate_stuck_sockets" in found
    assert not found & {"tcpstate_fin_wait2_sockets", "tcpstate_close_wait_sockets", "tcpstate_accept_queue_sockets"}


def test_in_gvisor_a_table_of_counters_without_values_costs_only_itself_and_one_line() -> None:
    """Until May 2026 its netstat had headings only."""
    done = in_gvisor("json")

    counters = json.loads(done.stdout)["limits_and_counters"]
    assert "listen_drops" not in counters
    assert counters["passive_opens"] >= HALF_CLOSED
    [line] = [line for line in done.stderr.splitlines() if "cannot be used" in line]
    assert "/proc/self/net/netstat cannot be used" in line


@pytest.mark.parametrize("source", ["auto", "procfs", "psutil"])
def test_an_empty_table_of_sockets_is_no_sample_and_the_exporter_is_not_ready(
    source: str, host: Namespace, tmp_path: Path
) -> None:
    """WSL 1 has one, whatever sockets there are."""
    (tmp_path / "config.yaml").write_text(f"interval: 200ms\nsource: {source}\n")
    flag = f"--config.file={tmp_path / 'config.yaml'}"
    with exporter(host, tmp_path / "log", flag, within=(*WITHOUT_NETLINK, *WITHOUT_TABLES), ready=False) as running:
        wait_for(lambda: running.is_up("/metrics"), "the exporter serves", seconds=20)
        wait_for(lambda: running.value("tcpstate_sample_failures_total", reason="unavailable") >= 2, "samples fail")

        assert running.value("tcpstate_up") == 0
        assert running.samples("tcpstate_sockets") == []
        assert running.ask("/-/ready").status == 503
    assert "/proc/self/net/tcp is no table of sockets" in (tmp_path / "log").read_text()
