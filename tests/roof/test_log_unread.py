"""The exporter whose log nobody reads."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.lab.daemon import PORT, ROOT, Process
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

FAST = "interval: 100ms\nmax_cpu: 100%\n"


def full_pipe() -> tuple[int, int]:
    """Its ends; not one byte more can be written."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"\n")
    os.set_blocking(writing, True)
    return reading, writing


@contextmanager
def unread(place: Namespace, folder: Path) -> Iterator[tuple[Process, int]]:
    """An exporter with a short interval, and the end of its log that could be read."""
    (folder / "config.yaml").write_text(FAST)
    flags = [f"--web.listen-address=127.0.0.1:{PORT}", f"--config.file={folder / 'config.yaml'}"]
    reading, writing = full_pipe()
    popen = subprocess.Popen(place.command(sys.executable, "-m", "exporter", *flags), stderr=writing, cwd=ROOT)
    os.close(writing)
    running = Process(place, popen, folder / "config.yaml", PORT)
    try:
        yield running, reading
    finally:
        popen.kill()
        popen.wait()
        os.close(reading)
        for client in running.clients:
            client.close()


def test_it_serves_samples_and_reloads_and_ends_in_time(host: Namespace, tmp_path: Path) -> None:
    with unread(host, tmp_path) as (running, _):
        wait_for(lambda: running.is_up("/-/ready"), "it is ready", seconds=20)
        (tmp_path / "config.yaml").write_text("interval: 200ms\nmax_cpu: 100%\n")
        running.signal(signal.SIGHUP)
        wait_for(lambda: running.value("tcpstate_sample_interval_seconds") == 0.2, "the new interval is in force")
        first = running.value("tcpstate_samples_total")
        wait_for(lambda: running.value("tcpstate_samples_total") > first, "samples go on")
        code, seconds = running.end()

    assert code == 0
    assert seconds < 2.0


def test_who_begins_to_read_finds_what_was_said(host: Namespace, tmp_path: Path) -> None:
    with unread(host, tmp_path) as (running, reading):
        wait_for(lambda: running.is_up("/-/ready"), "it is ready", seconds=20)
        found, end = b"", time.monotonic() + 10
        while b"Listening on" not in found:
            assert time.monotonic() < end
            found += os.read(reading, 65536)


def test_a_mistake_of_the_users_is_no_reason_to_wait_either(host: Namespace, tmp_path: Path) -> None:
    with unread(host, tmp_path) as (first, _):
        wait_for(lambda: first.is_up("/-/ready"), "it is ready", seconds=20)
        with unread(host, tmp_path) as (second, _):
            assert second.popen.wait(10) == 1  # the port is taken
