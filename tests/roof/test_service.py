"""The real exporter, and what it tells the manager of its service."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import faults
from tests.lab.daemon import exporter
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

ALIVE = "WATCHDOG=1"
WATCHDOG_SECONDS = 1
"""How often the manager wants a sign of life."""


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of the manager by which the exporter is started."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_SECONDS * 1_000_000))
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield bound


def next_state(manager: socket.socket, seconds: float = 20) -> str:
    """The first line of what is told next but signs of life."""
    end = time.monotonic() + seconds
    while True:
        manager.settimeout(max(0.001, end - time.monotonic()))
        if (told := manager.recv(1 << 12).decode()) != ALIVE:
            return told.splitlines()[0]


def is_alive(manager: socket.socket, seconds: float) -> bool:
    """Whether there is a sign of life within so many *seconds*."""
    manager.settimeout(seconds)
    try:
        return manager.recv(1 << 12).decode() == ALIVE
    except TimeoutError:
        return False


def test_it_is_ready_when_it_has_sampled_and_can_be_asked_then_loads_anew_and_stops(
    host: Namespace, tmp_path: Path, manager: socket.socket
) -> None:
    (tmp_path / "config.yaml").write_text("interval: 1s\n")
    flag = f"--config.file={tmp_path / 'config.yaml'}"
    with exporter(host, tmp_path / "log", flag, ready=False) as running:
        assert next_state(manager) == "READY=1"
        assert running.ask("/-/ready").status == 200

        (tmp_path / "config.yaml").write_text("interval: 0s\n")
        running.signal(signal.SIGHUP)
        assert [next_state(manager), next_state(manager)] == ["RELOADING=1", "READY=1"]
        wait_for(lambda: "the configuration in force stays" in (tmp_path / "log").read_text(), "the log says why")

        running.popen.terminate()
        assert next_state(manager) == "STOPPING=1"
        assert running.popen.wait(5) == 0


def test_signs_of_life_end_while_samples_do_not_go_on(host: Namespace, tmp_path: Path, manager: socket.socket) -> None:
    broken = tmp_path / "broken"
    with exporter(host, tmp_path / "log", within=faults.within("read_hangs", broken), ready=False) as running:
        assert next_state(manager) == "READY=1"
        assert all(is_alive(manager, WATCHDOG_SECONDS) for _ in range(3))

        broken.touch()
        ended = next(count for count in range(100) if not is_alive(manager, 2 * WATCHDOG_SECONDS))
        assert ended > 0
        assert running.ask("/metrics").status == 200  # the rest of it does not hang

        broken.unlink()
        assert is_alive(manager, 10)


def test_it_is_not_ready_while_the_first_sample_does_not_end(
    host: Namespace, tmp_path: Path, manager: socket.socket
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    with exporter(host, tmp_path / "log", within=faults.within("read_hangs", broken), ready=False):
        with pytest.raises(TimeoutError):
            next_state(manager, seconds=6.5)
        broken.unlink()
        assert next_state(manager) == "READY=1"


def test_a_name_without_a_file_is_told_too(host: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"tcp-state-exporter-test-{os.getpid()}"
    with host.entered():  # such a name belongs to the network namespace
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound.bind(f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with bound, exporter(host, tmp_path / "log", ready=False):
        assert next_state(bound) == "READY=1"
