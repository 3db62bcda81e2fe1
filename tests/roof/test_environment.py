"""The exporter in surroundings that lack something: one clear line, and never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import faults
from tests.lab.daemon import ROOT, exporter
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

DAEMON = "--web.listen-address=127.0.0.1:0"


def shell(script: str) -> "subprocess.CompletedProcess[str]":
    """What a shell does, to which the command is known as $exporter."""
    environment = {"exporter": f"{sys.executable} -m exporter", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=30, check=False
    )


def is_one_line(done: "subprocess.CompletedProcess[str]", text: str) -> bool:
    [line] = done.stderr.splitlines()
    return line.startswith("tcp-state-exporter: ") and text in line


@pytest.mark.parametrize(
    "arguments", ["--once", "--once=json", "--once=prometheus", "--help", "--version", "--config.check"]
)
def test_a_full_disk_is_one_line_and_exit_code_1(arguments: str) -> None:
    done = shell(f"$exporter {arguments} > /dev/full")

    assert done.returncode == 1
    assert is_one_line(done, "cannot write to standard output: No space left on device")


@pytest.mark.parametrize("arguments", ["--once", "--once=prometheus", "--config.check"])
def test_a_closed_output_is_one_line_and_exit_code_1(arguments: str) -> None:
    done = shell(f"$exporter {arguments} >&-")

    assert done.returncode == 1
    assert is_one_line(done, "cannot write to standard output: it is closed")


def test_what_is_closed_is_not_written_to_by_another_name() -> None:
    """The number of a closed descriptor is given to the next file or socket that is opened."""
    done = shell("$exporter --once=prometheus 2>&- <&-")

    assert (done.returncode, done.stderr) == (0, "")
    assert "tcpstate_sockets{" in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("form", ["table", "prometheus", "json"])
def test_the_encoding_of_the_terminal_is_no_matter(encoding: str, form: str) -> None:
    """What is told has letters beyond it; a process can have any name."""
    code = (
        "import sys; from exporter import once; from exporter.show import table, document, exposition;"
        "table.render = lambda *_, **__: 'caf\\u00e9 \\u4e16\\n';"
        "document.render = lambda *_: '\"caf\\u00e9 \\u4e16\"';"
        "exposition.render = lambda *_: 'x{name=\"caf\\u00e9 \\u4e16\"} 1\\n'.encode();"
        "from exporter.cli import main; sys.exit(main(['--once=' + sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, form],
        capture_output=True,
        env={"PYTHONIOENCODING": encoding},
        cwd=ROOT,
        timeout=30,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    if form == "table":
        assert done.stdout == "café 世\n".encode(encoding, "replace")
    else:
        assert "café 世" in done.stdout.decode()


@pytest.mark.parametrize("descriptors", [5, 8, 16, 31])
def test_too_few_descriptors_are_one_line_and_exit_code_1(descriptors: int) -> None:
    done = shell(f"exec prlimit --nofile={descriptors} $exporter --log.level=error {DAEMON}")

    assert done.returncode == 1
    assert is_one_line(done, f"may open {descriptors} files (RLIMIT_NOFILE), and needs 32 at least")


def test_few_descriptors_are_enough_for_a_few_scrapers(host: Namespace, tmp_path: Path) -> None:
    with exporter(host, tmp_path / "log", within=("prlimit", "--nofile=32")) as running:
        assert running.value("tcpstate_up") == 1


@pytest.mark.parametrize("megabytes", [32, 40, 48, 56, 64])
@pytest.mark.parametrize("arguments", ["--once", f"--log.level=error {DAEMON}"])
def test_too_little_memory_is_no_traceback(megabytes: int, arguments: str) -> None:
    done = shell(f"exec prlimit --as={megabytes}000000 timeout --foreground 5 $exporter {arguments} > /dev/null")

    assert done.returncode in {0, 1, 124}
    assert "Traceback" not in done.stderr
    assert done.returncode != 1 or done.stderr.splitlines()[-1].startswith("tcp-state-exporter: ")


@pytest.mark.parametrize("passed", ["", "0", "-1", "1 ", "²", "many", "9" * 5000, "1e3"])
def test_a_number_of_sockets_that_is_none_is_one_line(passed: str) -> None:
    done = shell(f"LISTEN_PID=$$ LISTEN_FDS='{passed}' exec $exporter --log.level=error --web.systemd-socket")

    assert done.returncode == 1
    assert is_one_line(done, "expected a number of sockets in LISTEN_FDS")


@pytest.mark.parametrize("passed", ["1", "3", "900"])
def test_sockets_that_are_not_passed_are_one_line(passed: str) -> None:
    done = shell(f"LISTEN_PID=$$ LISTEN_FDS={passed} exec $exporter --log.level=error --web.systemd-socket 3</dev/null")

    assert done.returncode == 1
    assert is_one_line(done, "the passed descriptor 3 is no socket")


def test_a_mistake_in_every_sample_is_one_traceback(host: Namespace, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("interval: 100ms\nmax_cpu: 100%\n")
    flag, within = f"--config.file={tmp_path / 'config.yaml'}", faults.within("samples_are_mistaken")
    with exporter(host, tmp_path / "log", flag, within=within, ready=False) as running:
        wait_for(lambda: running.is_up("/metrics"), "it serves", seconds=20)
        wait_for(lambda: running.value("tcpstate_samples_total") > 20, "many samples", seconds=20)

    assert (tmp_path / "log").read_text().count("Traceback") == 1
    assert (tmp_path / "log").read_text().count("samples fail") == 1


def test_samples_that_fail_by_turns_do_not_fill_the_log(host: Namespace, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("interval: 100ms\nmax_cpu: 100%\n")
    flag, within = f"--config.file={tmp_path / 'config.yaml'}", faults.within("samples_fail_by_turns")
    with exporter(host, tmp_path / "log", flag, within=within, ready=False) as running:
        wait_for(lambda: running.is_up("/metrics"), "it serves", seconds=20)
        wait_for(lambda: running.value("tcpstate_samples_total") > 30, "many samples")

    assert (tmp_path / "log").read_text().count("Traceback") == 1
    assert len((tmp_path / "log").read_text().splitlines()) < 15
