"""The exporter where no more threads can be had."""

import signal
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import bcrypt
import pytest

from tests.lab.daemon import ROOT, Process, exporter
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

_MAY_READ = "-all,+dac_read_search,+dac_override"
NOBODY = (
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    f"--inh-caps={_MAY_READ}",
    f"--ambient-caps={_MAY_READ}",
    f"--bounding-set={_MAY_READ}",
)
"""As a user whose threads the kernel counts, which root's are not; but this one can read root's files."""
ALONE = (*NOBODY, "prlimit", "--nproc=1")
"""With one thread at most."""

PATHS = ("/metrics", "/", "/api/v1/stuck", "/-/healthy", "/-/ready")
USER = {"Authorization": f"Basic {b64encode(b'alice:secret').decode()}"}


def leave_none(running: Process) -> None:
    """Allow fewer threads than there are."""
    subprocess.run([*NOBODY, "prlimit", f"--pid={running.popen.pid}", "--nproc=1"], check=True)


def test_everything_works_that_begins_when_there_are_none_left(host: Namespace, tmp_path: Path) -> None:
    config, web, log = tmp_path / "config.yaml", tmp_path / "web.yml", tmp_path / "log"
    config.write_text("interval: 200ms\nmax_cpu: 100%\n")
    web.write_text(f"basic_auth_users: {{alice: {bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}}}\n")
    flags = f"--config.file={config}", f"--web.config.file={web}", "--web.enable-lifecycle"
    with exporter(host, log, *flags, within=NOBODY, ready=False) as running:
        wait_for(lambda: "Listening" in log.read_text(), "the server listens", seconds=20)
        leave_none(running)
        client = running.connect()
        running.clients.append(client)

        def status(path: str, method: str = "GET") -> int:
            client.request(method, path, headers=USER)
            answer = client.getresponse()
            answer.read()
            return answer.status

        wait_for(lambda: status("/-/ready") == 200, "it is ready", seconds=20)
        assert {path: status(path) for path in PATHS} == dict.fromkeys(PATHS, 200)
        assert status("/-/reload", "POST") == 200
        config.write_text("interval: never\n")
        running.signal(signal.SIGHUP)
        wait_for(lambda: "the configuration in force stays" in log.read_text(), "the refusal is logged")
        code, seconds = running.end()

    assert (code, "Traceback" in log.read_text()) == (0, False)
    assert seconds < 2.0


def test_a_configuration_that_needs_one_more_is_refused(host: Namespace, tmp_path: Path) -> None:
    web, log = tmp_path / "web.yml", tmp_path / "log"
    web.write_text("")
    with exporter(host, log, f"--web.config.file={web}", "--web.enable-lifecycle", within=NOBODY) as running:
        leave_none(running)
        web.write_text(f"basic_auth_users: {{alice: {bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}}}\n")
        answer = running.ask("/-/reload", "POST")
        wait_for(lambda: running.value("tcpstate_config_last_reload_successful") == 0, "the refusal shows")

    assert (answer.status, "cannot start a thread (bcrypt)" in answer.body) == (500, True)
    assert "Traceback" not in log.read_text()


def test_where_not_even_the_first_can_be_had_it_says_so_and_ends() -> None:
    command = [*ALONE, sys.executable, "-m", "exporter", "--web.listen-address=127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=20, check=False)

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("tcp-state-exporter: cannot start a thread")


def test_one_sample_needs_none() -> None:
    command = [*ALONE, sys.executable, "-m", "exporter", "--once"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=20, check=False)

    assert (done.returncode, done.stderr) == (0, "")
