"""The real daemon with the privileges that counting inside the kernel takes, and without."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from exporter.decode.proc_status import Privileges, privileges
from tests.lab.answers import counted, stuck, stuck_list
from tests.lab.daemon import QUICK, WITHOUT_CAPABILITIES, Process, exporter
from tests.lab.leaks import leak
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

SECONDS = 20
LEAKED = 20
PORT = 8080


def only(*names: str) -> tuple[str, ...]:
    """A command that goes on as nobody with these capabilities, as systemd starts a service."""
    granted = ",".join(f"+{name}" for name in names)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    return (*nobody, f"--inh-caps=-all,{granted}", f"--ambient-caps={granted}")


FOR_BPF = only("bpf", "perfmon")


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that nobody may read too."""
    with TemporaryDirectory(prefix="tse-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def of_threads(running: Process) -> list[Privileges]:
    """What each thread of the daemon may do."""
    tasks = Path(f"/proc/{running.popen.pid}/task")
    return [privileges((task / "status").read_text()) for task in tasks.iterdir()]


def source(running: Process) -> str:
    [one] = running.samples("tcpstate_source_info")
    return one.labels["source"]


def logged(running: Process, line: str) -> None:
    """It is written by a thread of its own."""
    wait_for(lambda: line in running.log.read_text(), f"{line!r} is logged")


def configured(folder: Path, text: str) -> str:
    file = folder / "config.yaml"
    file.write_text(QUICK + text)
    return f"--config.file={file}"


def test_what_was_granted_for_bpf_is_used_and_given_up_by_all_threads(
    host: Namespace, tmp_path: Path, open_to_all: Path
) -> None:
    """Samples go on all the same, and name the processes of others."""
    with (
        leak(host, "app", "serve", PORT),
        leak(host, "client", "dial", PORT, LEAKED),
        exporter(host, tmp_path / "log", configured(open_to_all, ""), within=FOR_BPF) as running,
    ):
        wait_for(lambda: stuck(running, port=PORT, state="close_wait") == LEAKED, "they are stuck", SECONDS)
        assert source(running) == "bpf"
        assert all(one.permitted == one.effective == one.ambient == 0 for one in of_threads(running))

        wait_for(lambda: {one["process"] for one in stuck_list(running)} == {"app", "client"}, "who it is", SECONDS)
        before = running.value("tcpstate_samples_total")
        wait_for(lambda: running.value("tcpstate_samples_total") > before + 4, "samples go on", SECONDS)
        assert running.value("tcpstate_up") == 1
        logged(running, "reading by bpf, and going on with no capability")


def test_names_are_kept_where_they_were_granted_too(host: Namespace, tmp_path: Path) -> None:
    with exporter(host, tmp_path / "log", within=only("bpf", "perfmon", "sys_ptrace", "dac_read_search")) as running:
        assert source(running) == "bpf"
        logged(running, "going on with CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE")


def test_full_root_alone_is_no_grant(host: Namespace, tmp_path: Path) -> None:
    with exporter(host, tmp_path / "log") as running:
        assert source(running) == "sock_diag"


@pytest.mark.parametrize("text", ["source: bpf\n", "namespaces: all\n"])
@pytest.mark.parametrize("within", [WITHOUT_CAPABILITIES, only("bpf")], ids=["nothing", "half"])
def test_without_the_privileges_one_line_says_what_is_missing_and_our_own_sockets_are_told(
    host: Namespace, tmp_path: Path, open_to_all: Path, text: str, within: Sequence[str]
) -> None:
    with (
        leak(host, "app", "serve", PORT),
        exporter(host, tmp_path / "log", configured(open_to_all, text), within=within) as running,
    ):
        assert counted(running, "tcpstate_sockets", port=PORT, state="listen") == 1
        assert source(running) == "sock_diag"
        assert running.value("tcpstate_sample_failures_total", source="bpf", reason="unavailable") == 1
        logged(running, "Listening on")
    lines = [line for line in (tmp_path / "log").read_text().splitlines() if "source bpf does not work here" in line]
    assert len(lines) == 1
    assert "CAP_PERFMON" in lines[0]
    is_said = "network namespaces of other users' processes are not even seen" in (tmp_path / "log").read_text()
    assert is_said == text.startswith("namespaces")


def test_after_a_reload_the_programs_are_still_there(host: Namespace, tmp_path: Path, open_to_all: Path) -> None:
    flag = configured(open_to_all, "")
    with exporter(host, tmp_path / "log", flag, "--web.enable-lifecycle", within=FOR_BPF) as running:
        configured(open_to_all, "owners: {max: 5}\n")
        assert running.ask("/-/reload", "POST").status == 200
        before = running.value("tcpstate_samples_total")
        wait_for(lambda: running.value("tcpstate_samples_total") > before + 2, "samples go on", SECONDS)
        assert source(running) == "bpf"


def test_what_was_granted_for_bpf_is_given_up_where_bpf_is_not_to_be_had_too(host: Namespace, tmp_path: Path) -> None:
    """Here: a filter forbids the system call."""
    within = (sys.executable, "-m", "tests.lab.sandbox", "--bpf", *FOR_BPF)
    with exporter(host, tmp_path / "log", within=within) as running:
        assert source(running) == "sock_diag"
        assert all(one.permitted == one.effective == one.ambient == 0 for one in of_threads(running))
        logged(running, "reading by sock_diag, and going on with no capability")
