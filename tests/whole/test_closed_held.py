"""Sockets that leave every dump while their process still holds them: what is said of them, and of the process."""

import json
from pathlib import Path

import pytest

from tests.lab.answers import for_a_while, owners, told
from tests.lab.daemon import WITHOUT_CAPABILITIES, Process, exporter
from tests.lab.leaks import leak
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

LEAKED = 60
SECONDS = 180
"""The least of a minute counts, and whose they are two looks tell, which take a share of the processor."""


def closed(running: Process) -> dict[tuple[str, str], float]:
    """Closed sockets that are held, by cgroup and process."""
    found = told(running, "tcpstate_closed_held_sockets")
    return {(one.labels["cgroup"], one.labels["process"]): one.value for one in found}


def named(running: Process, process: str) -> float:
    """Those of the *process*."""
    return sum(value for (_, name), value in closed(running).items() if name == process)


def stuck(running: Process, process: str) -> float:
    return sum(sockets for (_, _, name), sockets in owners(running).items() if name == process)


def test_a_leak_that_no_dump_shows_any_more_does_not_look_mended(host: Namespace, tmp_path: Path, quick: str) -> None:
    with (
        leak(host, "server", "serve", 7000) as server,
        leak(host, "client", "dial", 7000, LEAKED) as client,
        exporter(host, tmp_path / "log", quick) as running,
    ):
        wait_for(lambda: stuck(running, "client") == LEAKED, "the leak is seen", seconds=30)
        assert named(running, "client") == 0
        taken = running.value("tcpstate_holder_open_descriptors", process="client")
        assert taken > LEAKED

        server.end()
        wait_for(lambda: named(running, "client") == LEAKED, "the closed ones are told", seconds=SECONDS)
        assert running.value("tcpstate_stuck_sockets") == 0
        assert running.value("tcpstate_holder_open_descriptors", process="client") == taken
        assert running.value("tcpstate_holder_pid", process="client") == client.process.pid
        assert f"{LEAKED} sockets are over and in no table any more, and " in running.ask("/").body
        listed = json.loads(running.ask("/api/v1/stuck").body)["closed_held"]
        assert {"client": LEAKED}.items() <= {one["process"]: one["sockets"] for one in listed}.items()

        client.order("")
        wait_for(lambda: named(running, "client") == 0, "they are closed at last", seconds=30)
        wait_for(lambda: not told(running, "tcpstate_holder_pid"), "the holder is forgotten", seconds=30)


def test_connections_that_were_reset_are_found_though_nothing_was_ever_stuck(
    host: Namespace, tmp_path: Path, quick: str
) -> None:
    with (
        leak(host, "idle", "reset", 7000, LEAKED),
        exporter(host, tmp_path / "log", quick) as running,
    ):
        wait_for(lambda: named(running, "idle") == LEAKED, "the reset ones are told", seconds=SECONDS)
        assert running.value("tcpstate_holder_open_descriptors", process="idle") > LEAKED


def test_without_privilege_it_is_known_how_many_there_are_and_not_whose(
    host: Namespace, tmp_path: Path, quick: str
) -> None:
    with (
        leak(host, "idle", "reset", 7000, LEAKED),
        exporter(host, tmp_path / "log", quick, within=WITHOUT_CAPABILITIES) as running,
    ):
        wait_for(lambda: closed(running).get(("", ""), 0) >= LEAKED, "they are counted", seconds=SECONDS)
        assert set(closed(running)) == {("", "")}


def test_open_sockets_are_no_closed_ones(host: Namespace, tmp_path: Path, quick: str) -> None:
    """Neither those that are connected, nor those that listen; others of the host are not ours to judge."""
    with (
        leak(host, "server", "serve", 7000),
        leak(host, "client", "dial", 7000, LEAKED),
        leak(host, "churn", "churn", 7100, 500),
        exporter(host, tmp_path / "log", quick) as running,
    ):
        wait_for(lambda: stuck(running, "client") == LEAKED, "the leak is seen", seconds=30)
        for _ in for_a_while(30):
            assert {process for (_, process), number in closed(running).items() if number} <= {""}
