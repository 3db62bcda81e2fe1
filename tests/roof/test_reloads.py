"""Loading the configuration anew, in a running process."""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.lab import certificates, faults
from tests.lab.daemon import Process, exporter
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

SLOW_PACE = "interval: 60s\n"
SLOW_TO_READ = "ports: {server: [" + ", ".join(f"{port}-{port}" for port in range(1000, 1090)) + "]}\n"


def write_whole(path: Path, text: str) -> None:
    """So that nobody reads a half of it."""
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").rename(path)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    made = tmp_path / "config.yaml"
    made.write_text(SLOW_PACE)
    return made


def interval(running: Process) -> float:
    return running.value("tcpstate_sample_interval_seconds")


def has_interval(running: Process, seconds: float) -> bool:
    return interval(running) == seconds


def reloaded(running: Process) -> float:
    return running.value("tcpstate_config_last_reload_successful")


def test_a_sighup_while_it_is_loaded_is_heard_when_it_runs(host: Namespace, tmp_path: Path, config: Path) -> None:
    """The file may have been read already, so it is read once more."""
    log = tmp_path / "log"
    slow = faults.within("slow_disk")
    with exporter(host, log, f"--config.file={config}", within=slow, ready=False) as running:
        time.sleep(faults.SLOW_SECONDS / 2)
        for _ in range(3):
            running.signal(signal.SIGHUP)
        wait_for(lambda: running.is_up("/-/ready"), "it is ready", seconds=20)
        wait_for(lambda: "configuration reloaded" in log.read_text(), "it has heard the signal")

    assert log.read_text().count("configuration reloaded") == 1


def test_of_files_that_follow_each_other_fast_the_last_wins(host: Namespace, tmp_path: Path, config: Path) -> None:
    with exporter(host, tmp_path / "log", f"--config.file={config}") as running:
        for number in range(5):
            for text in (f"interval: {100 + number}s\n{SLOW_TO_READ}", f"interval: {200 + number}s\n"):
                write_whole(config, text)
                running.signal(signal.SIGHUP)
                time.sleep(0.002)
            wait_for(partial(has_interval, running, 200 + number), "the last one is in force")
            time.sleep(0.5)
            assert has_interval(running, 200 + number)


def by_signals(running: Process) -> None:
    for _ in range(1000):
        running.signal(signal.SIGHUP)
        time.sleep(0.002)


def by_requests(running: Process) -> None:
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert running.ask("/-/reload", "POST").status == 200


@pytest.mark.parametrize("flood", [by_signals, by_requests])
def test_a_flood_of_reloads_makes_no_flood_of_samples(
    host: Namespace, tmp_path: Path, config: Path, flood: Callable[[Process], None]
) -> None:
    """A sample that takes 0.1 s of processor time may be taken every 2 s, by the default share of 5 %."""
    flags = f"--config.file={config}", "--web.enable-lifecycle"
    with exporter(host, tmp_path / "log", *flags, within=faults.within("samples_cost")) as running:
        first, begun = running.value("tcpstate_samples_total"), time.monotonic()
        flood(running)
        seconds = time.monotonic() - begun
        samples = running.value("tcpstate_samples_total") - first
        reloads = (tmp_path / "log").read_text().count("configuration reloaded")

    assert samples <= seconds / 2 + 1
    assert 1 <= reloads <= seconds / 0.1 + 2


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [make_pipe, make_device, Path.mkdir])
def test_what_is_no_regular_file_is_refused_at_once_and_the_next_file_is_read(
    host: Namespace, tmp_path: Path, config: Path, make: Callable[[Path], None]
) -> None:
    log = tmp_path / "log"
    with exporter(host, log, f"--config.file={config}") as running:
        config.unlink()
        make(config)
        running.signal(signal.SIGHUP)
        wait_for(lambda: reloaded(running) == 0, "the refusal shows")
        assert log.read_text().count("is no regular file") == 1

        (tmp_path / "next").write_text("interval: 30s\n")
        config.rename(tmp_path / "odd")
        (tmp_path / "next").rename(config)
        running.signal(signal.SIGHUP)
        wait_for(lambda: interval(running) == 30, "the next file is in force")
        assert reloaded(running) == 1


def test_a_key_that_is_no_regular_file_is_refused_at_once_too(host: Namespace, tmp_path: Path) -> None:
    certificates.make(tmp_path, "own")
    web, log = tmp_path / "web.yml", tmp_path / "log"
    web.write_text("tls_server_config: {cert_file: own.crt, key_file: own.key}\n")
    with exporter(host, log, f"--web.config.file={web}", ready=False) as running:
        wait_for(lambda: "TLS is enabled" in log.read_text(), "the server listens", seconds=20)
        (tmp_path / "own.key").unlink()
        os.mkfifo(tmp_path / "own.key")
        running.signal(signal.SIGHUP)
        wait_for(lambda: "own.key: is no regular file" in log.read_text(), "the refusal is logged")

        (tmp_path / "own.key").unlink()
        certificates.make(tmp_path, "own")
        running.signal(signal.SIGHUP)
        wait_for(lambda: "configuration reloaded" in log.read_text(), "the next one is read")


def test_a_link_to_a_regular_file_is_one_as_kubernetes_mounts_them(host: Namespace, tmp_path: Path) -> None:
    for version, seconds in (("..1", 60), ("..2", 30)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "config.yaml").write_text(f"interval: {seconds}s\n")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    with exporter(host, tmp_path / "log", f"--config.file={tmp_path / 'config.yaml'}") as running:
        (tmp_path / "new").symlink_to("..2")
        (tmp_path / "new").rename(tmp_path / "..data")
        running.signal(signal.SIGHUP)
        wait_for(lambda: interval(running) == 30, "the new version is in force")


def test_a_reload_that_fails_by_a_mistake_shows_like_any_other(host: Namespace, tmp_path: Path, config: Path) -> None:
    broken, log = tmp_path / "broken", tmp_path / "log"
    flags = f"--config.file={config}", "--web.enable-lifecycle"
    with exporter(host, log, *flags, within=faults.within("reload_fails", broken)) as running:
        broken.touch()
        running.signal(signal.SIGHUP)
        wait_for(lambda: reloaded(running) == 0, "the failure shows")
        answer = running.ask("/-/reload", "POST")
        broken.unlink()
        assert running.ask("/-/reload", "POST").status == 200
        wait_for(lambda: reloaded(running) == 1, "that it is mended shows")

    assert (answer.status, "cannot be loaded: ZeroDivisionError" in answer.body) == (500, True)
    assert log.read_text().count("the configuration in force stays") == 1  # the second is of the same kind


def test_a_bad_file_is_one_line_with_all_its_faults(host: Namespace, tmp_path: Path, config: Path) -> None:
    log = tmp_path / "log"
    with exporter(host, log, f"--config.file={config}") as running:
        config.write_text("interval: never\nmax_cpu: much\n")
        running.signal(signal.SIGHUP)
        wait_for(lambda: reloaded(running) == 0, "the refusal shows")

    [line] = [line for line in log.read_text().splitlines() if "stays" in line]
    assert "interval: expected" in line
    assert "max_cpu: expected" in line
