import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter import __version__
from tests.lab import faults

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
        "import os, sys; from exporter import cli;"
        "plain = os.dup(1); os.dup2(os.open(os.devnull, os.O_WRONLY), 1); cli.main(['--once=json']); os.dup2(plain, 1);"
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


def test_the_web_configuration_is_checked_with_the_other(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text("http_server_config: {headers: {X-XSS-Protection: 0}}\n")
    bad.write_text("tls_server_config: {cert_file: none.crt, key_file: none.key}\n")

    taken = run("--config.check", f"--web.config.file={good}")
    refused = run("--config.check", "--config.file=config.example.yaml", f"--web.config.file={bad}")

    assert (taken.returncode, taken.stdout.splitlines()[1]) == (0, f"{good}: valid")
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 2)


@pytest.mark.parametrize("arguments", [("--version",), ("--once",), ("--config.check",)], ids=" ".join)
def test_no_program_is_run_to_find_out_what_the_platform_is(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """An exporter that starts whatever is called uname does more than it is to do, and is slow to start."""
    (tmp_path / "uname").write_text(f"#!/bin/sh\necho run >> {tmp_path / 'runs'}\n")
    (tmp_path / "uname").chmod(0o755)
    command = [sys.executable, "-m", "exporter", *arguments]
    subprocess.run(command, capture_output=True, cwd=ROOT, env={"PATH": str(tmp_path)}, timeout=30, check=True)

    assert not (tmp_path / "runs").exists()


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
    assert run("--version").stdout.startswith(f"tcp-state-exporter, version {__version__}\n  python: ")


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


def test_one_sample_is_complete_also_when_it_was_held_up(tmp_path: Path) -> None:
    """By SIGSTOP, between the sample and what is made of it: the file that is written then has to be whole."""
    (tmp_path / "config.yaml").write_text("interval: 100ms\n")
    command = [*faults.within("stopped_after_sample"), sys.executable, "-m", "exporter", "--once=prometheus"]
    held_up = subprocess.Popen(
        [*command, f"--config.file={tmp_path / 'config.yaml'}"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert os.WIFSTOPPED(os.waitpid(held_up.pid, os.WUNTRACED)[1])
    time.sleep(1)  # in which three intervals have passed
    held_up.send_signal(signal.SIGCONT)
    output, _ = held_up.communicate(timeout=10)

    assert held_up.returncode == 0
    assert "\ntcpstate_sockets{" in output
    assert "\ntcpstate_up 1.0\n" in output


def test_the_command_minds_signals_before_anything_slow_is_imported() -> None:
    """Until it does, SIGHUP kills it, as whoever reloads a service that has just been started finds out."""
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["tcp-state-exporter"]
    module = script.partition(":")[0]
    code = f"import sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("exporter")} == {"exporter", "exporter.signals", module}
    assert loaded & {"argparse", "asyncio", "json", "logging", "socket"} == set()
