"""The exporter whose samples do not end, or whose sampler dies."""

import signal
from pathlib import Path

import pytest

from tests.lab import faults
from tests.lab.daemon import Process, exporter
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

STALE = "no sample for"
BACK = "samples go on"


@pytest.fixture
def fast(tmp_path: Path) -> str:
    """The flag for a configuration with a short interval."""
    (tmp_path / "config.yaml").write_text("interval: 200ms\nmax_cpu: 100%\n")
    return f"--config.file={tmp_path / 'config.yaml'}"


def health(running: Process) -> int:
    return running.ask("/-/healthy").status


def test_a_read_that_does_not_end_is_noticed_and_so_is_its_end(host: Namespace, tmp_path: Path, fast: str) -> None:
    broken, log = tmp_path / "broken", tmp_path / "log"
    with exporter(host, log, fast, within=faults.within("read_hangs", broken)) as running:
        assert health(running) == 200
        broken.touch()
        wait_for(lambda: health(running) == 503, "it is not healthy any more", seconds=30)
        wait_for(lambda: STALE in log.read_text(), "the log says so", seconds=10)
        assert running.value("tcpstate_up") == 0

        broken.unlink()
        wait_for(lambda: health(running) == 200, "it is healthy again", seconds=10)
        wait_for(lambda: BACK in log.read_text(), "the log says so", seconds=10)

    assert (log.read_text().count(STALE), log.read_text().count(BACK)) == (1, 1)


def test_a_first_read_that_does_not_end_is_noticed_too(host: Namespace, tmp_path: Path, fast: str) -> None:
    broken, log = tmp_path / "broken", tmp_path / "log"
    broken.touch()
    with exporter(host, log, fast, within=faults.within("read_hangs", broken), ready=False) as running:
        wait_for(lambda: running.is_up("/metrics"), "it serves", seconds=20)
        assert running.value("tcpstate_up") == 0
        assert running.ask("/-/ready").status == 503
        wait_for(lambda: health(running) == 503, "it is not healthy any more", seconds=30)
        wait_for(lambda: STALE in log.read_text(), "the log says so", seconds=10)


def test_who_ends_it_while_it_hangs_finds_in_the_log_where(host: Namespace, tmp_path: Path, fast: str) -> None:
    broken, log = tmp_path / "broken", tmp_path / "log"
    broken.touch()
    with exporter(host, log, fast, within=faults.within("read_hangs", broken), ready=False) as running:
        wait_for(lambda: running.is_up("/metrics"), "it serves", seconds=20)
        running.signal(signal.SIGABRT)
        assert running.popen.wait(10) == -signal.SIGABRT

    assert "in _wait_until_gone" in log.read_text()


@pytest.mark.parametrize("fault", ["sampler_exits", "sampler_has_no_memory"])
def test_a_sampler_that_dies_ends_the_process_so_that_somebody_starts_it_anew(
    host: Namespace, tmp_path: Path, fast: str, fault: str
) -> None:
    broken, log = tmp_path / "broken", tmp_path / "log"
    with exporter(host, log, fast, within=faults.within(fault, broken)) as running:
        broken.touch()
        code = running.popen.wait(10)

    assert code == 1
    [line] = [line for line in log.read_text().splitlines() if "has died" in line]
    assert "SystemExit" in line or "MemoryError" in line
    assert log.read_text().splitlines()[-1].endswith("msg=Stopped")
