"""The demonstration: it starts, tells when the page comes as the rules have it, and leaves nothing behind."""

import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import shapes
from tests.deploy.shapes import PAGE, Holder, steadily, story
from tests.lab.daemon import ROOT
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

SCRIPT = ROOT / "deploy/demo/demo.py"
SCRAPED = 15


def names(file: str) -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT.parent / file), run_name="tested")


def per_second() -> float:
    """Descriptors that the service loses."""
    service = names("service.py")
    return float(service["LEAKS_PER_SECOND"] * service["DESCRIPTORS_PER_LEAK"])


def test_the_alert_fires_when_it_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As promtool finds it, which sees each scrape at once; a real one comes later by less than a scrape."""
    told = names("demo.py")
    monkeypatch.setattr(shapes, "STUCK_AFTER", told["STUCK_AFTER"])
    leaking = Holder(steadily(per_second()), limit=names("service.py")["DESCRIPTORS"], others=lambda _: 8)

    fired = story(SCRAPED, 300, leaking).alerts(tmp_path)

    assert told["FIRING"] - 2 * SCRAPED <= fired[PAGE].first <= told["FIRING"]


def test_the_descriptors_are_gone_when_it_is_said() -> None:
    assert names("demo.py")["EXHAUSTED"] == pytest.approx(names("service.py")["DESCRIPTORS"] / per_second(), abs=10)


@dataclass(frozen=True)
class Demo:
    """A running one."""

    host: Namespace
    process: "subprocess.Popen[str]"
    folder: Path
    """For temporary files."""

    def pids(self) -> list[int]:
        """Of all processes on its host, itself among them."""
        command = ["ip", "netns", "pids", self.host.name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return [int(pid) for pid in done.stdout.split()]

    def called(self) -> dict[str, int]:
        """The same by name."""
        found = {}
        for pid in self.pids():
            with suppress(OSError):  # it has ended meanwhile
                found[Path(f"/proc/{pid}/comm").read_text().strip()] = pid
        return found

    def states(self) -> list[str]:
        """Of its host's sockets."""
        return [line.split()[0] for line in self.host.run("ss", "-Htan").splitlines()]

    def has_started(self) -> bool:
        return {"prometheus", "prometheus-aler"} <= set(self.called())

    def has_gone(self) -> bool:
        return not self.pids()


@contextmanager
def demo(host: Namespace, folder: Path) -> Iterator[Demo]:
    environment = {**os.environ, "TMPDIR": str(folder)}
    command = host.command(sys.executable, str(SCRIPT))
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Demo(host, process, folder)
        finally:
            process.kill()


@pytest.mark.kernel
def test_it_shows_a_leak_and_ends_without_a_trace(host: Namespace, tmp_path: Path) -> None:
    with demo(host, tmp_path) as running:
        assert running.process.stdout
        said = ""
        while "Ctrl-C" not in said:
            line = running.process.stdout.readline()
            assert line, running.process.stderr
            said += line
        assert "http://127.0.0.1:9090/alerts" in said
        wait_for(lambda: running.states().count("CLOSE-WAIT") >= 3, "a leak", seconds=20)
        assert running.states().count("FIN-WAIT-2") >= 3
        assert "demo-service" in running.called()

        running.process.send_signal(signal.SIGINT)
        out, err = running.process.communicate(timeout=30)

        assert (running.process.returncode, err) == (0, "")
        assert "All of it has ended" in out
        assert running.has_gone()
        assert set(running.states()) == {"TIME-WAIT"}
        assert list(tmp_path.iterdir()) == []


@pytest.mark.kernel
def test_taken_ports_are_left_alone_and_nothing_outlives_it(host: Namespace, tmp_path: Path) -> None:
    """Not even if it is killed, and can end nothing any more."""
    listening = "import socket, time; kept = socket.create_server(('127.0.0.1', 9090)); time.sleep(60)"
    with subprocess.Popen(host.command(sys.executable, "-c", listening)) as other:
        try:
            wait_for(lambda: ":9090" in host.run("ss", "-Htln"), "the port is taken")
            with demo(host, tmp_path) as running:
                wait_for(running.has_started, "it has started")
                command = Path(f"/proc/{running.called()['prometheus']}/cmdline").read_text()
                running.process.kill()
                wait_for(lambda: running.pids() == [other.pid], "all have ended")
        finally:
            other.kill()

    assert re.search(r"--web\.listen-address=127\.0\.0\.1:(?!9090)\d+", command)


@pytest.mark.kernel
def test_what_ends_by_itself_ends_it_and_is_named(host: Namespace, tmp_path: Path) -> None:
    with demo(host, tmp_path) as running:
        wait_for(running.has_started, "it has started")
        time.sleep(1)
        os.kill(running.called()["prometheus-aler"], signal.SIGKILL)
        _, err = running.process.communicate(timeout=30)

        assert running.process.returncode == 1
        assert err.startswith("make demo: alertmanager has ended with -9")
        assert running.has_gone()


def test_without_debians_packages_it_says_so_in_a_line() -> None:
    done = subprocess.run([sys.executable, SCRIPT], env={"PATH": "/"}, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == (
        "make demo: needs prometheus and prometheus-alertmanager: apt-get install prometheus prometheus-alertmanager\n"
    )
