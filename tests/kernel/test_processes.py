import os
from pathlib import Path

import psutil
import pytest

from exporter.kernel import processes
from exporter.tcp.holders import NO_PROCESS, Process

GONE = 1 << 22
"""More than there can be: a 64-bit kernel's PID_MAX_LIMIT."""


def make(proc: Path, pid: int, comm: bytes, cgroup: bytes) -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "comm").write_bytes(comm)
    (proc / str(pid) / "cgroup").write_bytes(cgroup)


def test_a_process_has_a_name_and_a_cgroup(tmp_path: Path) -> None:
    make(tmp_path, 20, b"nginx\n", b"0::/system.slice/nginx.service\n")

    assert processes.process(tmp_path, 20) == Process(20, "nginx", "/system.slice/nginx.service")


def test_a_process_whose_name_is_no_text_can_be_shown(tmp_path: Path) -> None:
    make(tmp_path, 1, b"\xff\xfe\n", b"0::/\xff\n")

    assert processes.process(tmp_path, 1) == Process(1, "\ufffd\ufffd", "/\ufffd")


@pytest.mark.parametrize("file", ["comm", "cgroup"])
def test_a_process_that_has_ended_is_an_error(file: str, tmp_path: Path) -> None:
    make(tmp_path, 1, b"init\n", b"0::/\n")
    (tmp_path / "1" / file).unlink()

    with pytest.raises(FileNotFoundError):
        processes.process(tmp_path, 1)


def test_processes_are_the_folders_with_a_number(tmp_path: Path) -> None:
    for name in ("10", "9", "self", "sys", "1"):
        (tmp_path / name).mkdir()

    assert processes.pids(tmp_path) == [1, 9, 10]


def test_without_proc_there_are_no_processes_to_be_seen(tmp_path: Path) -> None:
    assert processes.pids(tmp_path / "none") == []


def test_this_process_is_one_of_them_and_known_by_its_name() -> None:
    own = Path("/proc")

    assert os.getpid() in processes.pids(own)
    assert processes.process(own, os.getpid()).name == Path("/proc/self/comm").read_text().strip()


def test_a_process_that_a_source_names_is_called_by_its_name() -> None:
    assert processes.named(os.getpid()) == Process(os.getpid(), psutil.Process().name(), "")


def test_a_process_that_a_source_names_and_that_is_gone_is_nobody() -> None:
    assert processes.named(GONE) == NO_PROCESS
