"""How the process ends: within two seconds, whatever it is doing."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt
import pytest

from tests.lab import certificates, faults
from tests.lab.daemon import ROOT, Process, exporter
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

PROMISED_SECONDS = 2.0


def ends_in_time(running: Process) -> bool:
    code, seconds = running.end()
    assert code == 0
    return seconds < PROMISED_SECONDS


def test_it_ends_at_once_also_while_somebody_is_connected(host: Namespace, tmp_path: Path) -> None:
    with exporter(host, tmp_path / "log") as running:
        idle = running.connect()
        code, seconds = running.end()
        idle.close()

    assert code == 0
    assert seconds < 1.0
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert (tmp_path / "log").read_text().endswith("msg=Stopped\n")


@contextmanager
def guessed_at(host: Namespace, folder: Path, cost: int) -> Iterator[Process]:
    """An exporter that checks passwords, each of which takes longer than the end may."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode().replace("$04$", f"${cost}$")
    (folder / "web.yml").write_text(f"basic_auth_users: {{alice: {hashed}}}\n")
    with exporter(host, folder / "log", f"--web.config.file={folder / 'web.yml'}", ready=False) as running:
        wait_for(lambda: "Listening" in (folder / "log").read_text(), "the server listens", seconds=20)
        running.clients.extend(running.connect() for _ in range(8))
        for number, guess in enumerate(running.clients):
            header = b64encode(f"alice:{number}".encode()).decode()
            guess.request("GET", "/metrics", headers={"Authorization": f"Basic {header}"})
        time.sleep(0.2)  # the first is being checked
        yield running


@pytest.mark.parametrize("cost", [16, 31])
def test_it_ends_in_time_while_passwords_are_checked(host: Namespace, tmp_path: Path, cost: int) -> None:
    with guessed_at(host, tmp_path, cost) as running:
        assert ends_in_time(running)

    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_second_signal_ends_it_at_once(host: Namespace, tmp_path: Path) -> None:
    """Answers under way would have been given a second, and after that it would have said that it has stopped."""
    with guessed_at(host, tmp_path, 31) as running:
        begun = time.monotonic()
        running.signal(signal.SIGTERM)
        time.sleep(0.3)
        running.signal(signal.SIGINT)
        running.popen.wait(10)

    assert time.monotonic() - begun < PROMISED_SECONDS
    assert "Stopped" not in (tmp_path / "log").read_text()


def test_it_ends_in_time_while_a_configuration_is_read_that_never_comes(host: Namespace, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    with exporter(host, tmp_path / "log", within=faults.within("reload_hangs", broken)) as running:
        broken.touch()
        running.signal(signal.SIGHUP)
        wait_for(faults.met(broken).exists, "it is read")
        assert running.is_up("/-/healthy")
        assert ends_in_time(running)


def test_it_ends_in_time_while_a_sample_is_taken_that_never_comes(host: Namespace, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    (tmp_path / "config.yaml").write_text("interval: 100ms\nmax_cpu: 100%\n")
    flag = f"--config.file={tmp_path / 'config.yaml'}"
    with exporter(host, tmp_path / "log", flag, within=faults.within("read_hangs", broken)) as running:
        broken.touch()
        wait_for(faults.met(broken).exists, "it is taken")
        assert ends_in_time(running)


def test_it_ends_in_time_before_it_has_begun(host: Namespace, tmp_path: Path) -> None:
    """A name server that does not answer is waited for in one system call, to which the signal has to be no matter."""
    broken = tmp_path / "broken"
    broken.touch()
    with exporter(host, tmp_path / "log", within=faults.within("reload_hangs", broken), ready=False) as running:
        wait_for(faults.met(broken).exists, "it is beginning")
        begun = time.monotonic()
        running.signal(signal.SIGTERM)
        running.popen.wait(10)

    assert time.monotonic() - begun < PROMISED_SECONDS


def test_the_first_process_of_a_container_ends_in_time_before_it_has_begun(host: Namespace, tmp_path: Path) -> None:
    """To that one the kernel gives no signal that it does not mind."""
    broken = tmp_path / "broken"
    broken.touch()
    first = ("unshare", "--pid", "--fork", "--kill-child", *faults.within("reload_hangs", broken))
    with exporter(host, tmp_path / "log", within=first, ready=False) as running:
        wait_for(faults.met(broken).exists, "it is beginning")
        children = Path(f"/proc/{running.popen.pid}/task/{running.popen.pid}/children").read_text().split()
        begun = time.monotonic()
        os.kill(int(children[0]), signal.SIGTERM)
        running.popen.wait(10)

    assert time.monotonic() - begun < PROMISED_SECONDS


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130), (signal.SIGHUP, -signal.SIGHUP)]
)
def test_one_sample_is_ended_by_signals_like_any_command(tmp_path: Path, number: signal.Signals, expected: int) -> None:
    """An exit code of 0 would say that what it has written is complete. A shell may have all of us ignore SIGINT."""
    broken = tmp_path / "broken"
    broken.touch()
    command = [
        "env",
        "--default-signal",
        *faults.within("read_hangs", broken),
        sys.executable,
        "-m",
        "exporter",
        "--once",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as hanging:
        wait_for(faults.met(broken).exists, "it is taken")
        hanging.send_signal(number)
        try:
            output, errors = hanging.communicate(timeout=10)
        finally:
            hanging.kill()

    assert (hanging.returncode, output, errors) == (expected, b"", b"")


def test_a_key_that_needs_a_phrase_is_refused_on_a_terminal_too(tmp_path: Path) -> None:
    """OpenSSL would ask there, and hold back every signal until somebody answers."""
    certificates.make(tmp_path, "own")
    certificates.encrypt(tmp_path, "own")
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: own.crt, key_file: own.key}\n")
    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "exporter", f"--web.config.file={tmp_path / 'web.yml'}", "--log.level=error"],
        stdin=slave,
        capture_output=True,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY),
        cwd=ROOT,
        timeout=20,
        check=False,
    )
    os.close(master)
    os.close(slave)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
