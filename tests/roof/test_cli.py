import json
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter import __version__

ROOT = Path(__file__).parent.parent.parent
INVALID = ROOT / "tests/settings/bad/many-faults.yaml"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, as a user would run it."""
    command = [sys.executable, "-m", "exporter", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30, check=False)


def test_once_prints_a_table() -> None:
    done = run("--once")

    assert done.returncode == 0
    assert "none in: " in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_once_prints_json() -> None:
    assert json.loads(run("--once=json").stdout)["source"] == "sock_diag"


def test_once_prints_metrics_for_the_textfile_collector() -> None:
    families = {one.name: one for one in text_string_to_metric_families(run("--once=prometheus").stdout)}

    assert families["tcpstate_up"].samples[0].value == 1
    assert "tcpstate_sockets" in families
    assert not [name for name in families if name.startswith(("process_", "python_"))]


def test_once_works_for_anybody() -> None:
    """The first run imports what only root may be able to read, where the interpreter is in root's home."""
    code = (
        "import io, os, sys; from exporter import cli;"
        "sys.stdout = io.StringIO(); cli.main(['--once=json']); sys.stdout = sys.__stdout__;"
        "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534);"
        "sys.exit(cli.main(['--once=json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source"] == "sock_diag"


@pytest.mark.parametrize("source", ["sock_diag", "procfs", "psutil"])
def test_each_source_can_be_forced(source: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"source: {source}\n")

    done = run("--once=json", "--config.file", str(tmp_path / "config.yaml"))

    assert json.loads(done.stdout)["source"] == source


def test_a_good_configuration_is_said_to_be_valid() -> None:
    done = run("--config.check", "--config.file=config.example.yaml")

    assert (done.returncode, done.stdout) == (0, "config.example.yaml: valid\n")


def test_a_bad_configuration_is_a_line_for_each_fault_and_exit_code_2() -> None:
    done = run("--config.check", f"--config.file={INVALID}")

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 7
    assert all(line.startswith(f"{INVALID}: ") for line in done.stderr.splitlines())


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("nonsense", "cannot listen on 'nonsense': expected HOST:PORT, [IPV6]:PORT or :PORT"),
        (":99999", "cannot listen on ':99999': expected a port up to 65535"),
        ("::1:9100", "cannot listen on '::1:9100': expected HOST:PORT, [IPV6]:PORT or :PORT"),
        ("192.0.2.1:9100", "cannot listen on 192.0.2.1:9100: Cannot assign requested address"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_one_line_and_exit_code_1(address: str, expected: str) -> None:
    done = run("--log.level=error", f"--web.listen-address={address}")

    assert (done.returncode, done.stderr) == (1, f"tcp-state-exporter: {expected}\n")


def test_a_socket_that_systemd_did_not_pass_is_one_line_and_exit_code_1() -> None:
    done = run("--log.level=error", "--web.systemd-socket")

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "systemd has passed no socket" in done.stderr


def test_the_version_is_printed() -> None:
    assert run("--version").stdout.startswith(f"tcp-state-exporter, version {__version__}\n")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m exporter --once=prometheus | head -c 10",
        shell=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )

    assert done.stderr == ""


def test_one_sample_starts_without_a_server_or_a_client_library() -> None:
    """--once replaces a shell pipeline and has to be as quick: each of these costs more than the sample."""
    code = "import sys, exporter.cli as cli; cli.main(['--once']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded & {"tornado", "prometheus_client", "yaml", "psutil", "asyncio", "ssl"} == set()
