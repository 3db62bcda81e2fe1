import errno
import os
import resource
import subprocess
from pathlib import Path

import psutil
import pytest

from exporter.kernel import processes
from exporter.tcp.holders import NO_PROCESS, Process
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

GONE = 1 << 22
"""More than there can be: a 64-bit kernel's PID_MAX_LIMIT."""


def make(  # noqa: PLR0913 - all that is read of a process
    proc: Path,
    pid: int,
    comm: bytes = b"x\n",
    cgroup: bytes = b"0::/\n",
    *,
    state: str = "S",
    parent: int = 1,
    started: int = 4711,
) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "comm").write_bytes(comm)
    (folder / "cgroup").write_bytes(cgroup)
    (folder / "stat").write_text(f"{pid} (a (b) c) {state} {parent} {'0 ' * 17}{started} 0 0\n")


def bear(proc: Path, parent: int, *children: int, thread: int | None = None) -> None:
    """Enter *children* of a process, which one of its threads has started."""
    folder = proc / str(parent) / "task" / str(thread or parent)
    folder.mkdir(parents=True)
    (folder / "children").write_text("".join(f"{child} " for child in children))


def test_a_process_has_a_name_and_a_cgroup(tmp_path: Path) -> None:
    make(tmp_path, 20, b"nginx\n", b"0::/system.slice/nginx.service\n")

    assert processes.process(tmp_path, 20) == Process(20, "nginx", "/system.slice/nginx.service", 4711)


def test_a_process_whose_name_is_no_text_can_be_shown(tmp_path: Path) -> None:
    make(tmp_path, 1, b"\xff\xfe\n", b"0::/\xff\n")

    assert processes.process(tmp_path, 1) == Process(1, "\ufffd\ufffd", "/\ufffd", 4711)


@pytest.mark.parametrize("file", ["comm", "cgroup", "stat"])
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


def test_a_process_that_is_still_there_has_not_ended(tmp_path: Path) -> None:
    make(tmp_path, 20)

    assert processes.ended(tmp_path, [processes.process(tmp_path, 20)]) == set()


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_process_that_nobody_has_waited_for_has_ended_all_the_same(tmp_path: Path, state: str) -> None:
    make(tmp_path, 20, state=state)
    one = processes.process(tmp_path, 20)

    assert processes.ended(tmp_path, [one]) == {one}


def test_a_process_has_ended_when_its_number_is_nobodys_or_anothers(tmp_path: Path) -> None:
    make(tmp_path, 20, started=100)
    gone, replaced = Process(19, "gone", "/", 50), Process(20, "replaced", "/", 50)

    assert processes.ended(tmp_path, [gone, replaced, Process(20, "there", "/", 100)]) == {gone, replaced}


def test_of_a_process_whose_start_is_not_known_nothing_is_said(tmp_path: Path) -> None:
    """A source has named it, on a system that may have no /proc."""
    assert processes.ended(tmp_path, [Process(20, "named", "")]) == set()


def test_a_process_that_runs_here_has_not_ended_and_one_that_was_killed_has() -> None:
    with subprocess.Popen(["sleep", "60"]) as running:
        one = processes.process(Path("/proc"), running.pid)
        assert processes.ended(Path("/proc"), [one]) == set()

        running.kill()
        wait_for(lambda: processes.ended(Path("/proc"), [one]) == {one}, "it has ended, though we have not waited")


def test_a_family_is_children_parent_and_its_other_children(tmp_path: Path) -> None:
    make(tmp_path, 10)
    bear(tmp_path, 10, 20, 21)
    make(tmp_path, 20, parent=10)
    bear(tmp_path, 20, 30)
    bear(tmp_path, 20, 31, thread=25)

    assert sorted(processes.family(tmp_path, 20)) == [10, 20, 21, 30, 31]


def test_the_first_process_of_all_is_nobodys_family(tmp_path: Path) -> None:
    """It is the parent of all services, and of all who have lost theirs."""
    make(tmp_path, 1, parent=0)
    bear(tmp_path, 1, 20, 21)
    make(tmp_path, 20)
    bear(tmp_path, 20, 30)

    assert processes.family(tmp_path, 20) == [30]


def test_a_process_that_has_ended_has_no_family(tmp_path: Path) -> None:
    assert processes.family(tmp_path, 20) == []


def test_where_the_kernel_does_not_tell_children_there_is_the_parent(tmp_path: Path) -> None:
    make(tmp_path, 20, parent=10)

    assert processes.family(tmp_path, 20) == [10]


def test_this_process_belongs_to_the_family_of_its_child() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert os.getpid() in processes.family(Path("/proc"), child.pid)
        assert child.pid in processes.family(Path("/proc"), os.getpid())
        child.kill()


def test_the_descriptors_of_this_process_are_counted() -> None:
    before = processes.descriptors(Path("/proc"), os.getpid())
    with Path(os.devnull).open("rb"):
        assert processes.descriptors(Path("/proc"), os.getpid()) == before + 1 > 1


def test_the_limit_of_a_processs_descriptors_is_the_soft_one(tmp_path: Path) -> None:
    make(tmp_path, 7)
    (tmp_path / "7" / "limits").write_text("Max open files            512       4096       files\n")
    make(tmp_path, 8)
    (tmp_path / "8" / "limits").write_text("Max open files            unlimited unlimited  files\n")

    assert processes.descriptor_limit(tmp_path, 7) == 512
    assert processes.descriptor_limit(tmp_path, 8) is None


def test_the_limit_of_this_processs_descriptors_is_told() -> None:
    assert processes.descriptor_limit(Path("/proc"), os.getpid()) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_who_has_ended_has_neither_a_limit_nor_a_network() -> None:
    with pytest.raises(FileNotFoundError):
        processes.descriptor_limit(Path("/proc"), GONE)
    with pytest.raises(FileNotFoundError):
        processes.network(Path("/proc"), GONE)


def test_a_process_that_nobody_has_waited_for_has_no_network() -> None:
    with subprocess.Popen(["true"]) as done:
        wait_for(lambda: b") Z " in Path(f"/proc/{done.pid}/stat").read_bytes(), "it has ended")
        with pytest.raises(FileNotFoundError):
            processes.network(Path("/proc"), done.pid)


def test_a_child_has_the_network_of_its_parent() -> None:
    proc, own = Path("/proc"), os.getpid()

    with subprocess.Popen(["sleep", "60"]) as child:
        assert processes.network(proc, child.pid) == processes.network(proc, own) == processes.network(proc, "self")
        child.kill()


@pytest.mark.kernel
def test_who_is_in_a_network_namespace_of_its_own_has_another_network(host: Namespace) -> None:
    proc, own = Path("/proc"), processes.network(Path("/proc"), "self")

    with subprocess.Popen(host.command("sleep", "60")) as inside:
        wait_for(lambda: processes.network(proc, inside.pid) != own, "it has entered the namespace")
        with host.entered():
            assert processes.network(proc, "self") == processes.network(proc, inside.pid)
        inside.kill()
    assert processes.network(proc, "self") == own


def test_a_pid_namespace_within_the_hosts_is_known_by_its_number(tmp_path: Path) -> None:
    link = tmp_path / "self" / "ns" / "pid"
    link.parent.mkdir(parents=True)
    assert not processes.is_in_namespace(tmp_path)

    link.symlink_to(f"pid:[{processes.FIRST_PID_NAMESPACE}]")
    assert not processes.is_in_namespace(tmp_path)

    link.unlink()
    link.symlink_to("pid:[4026532999]")
    assert processes.is_in_namespace(tmp_path)


def test_a_process_that_cannot_be_asked_has_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no descriptor left, all would have ended otherwise, and whatever they hold would have lost its name."""

    def no_descriptor(_: Path) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    known = Process(7, "nginx", "", started=100)
    monkeypatch.setattr(Path, "read_bytes", no_descriptor)

    assert processes.ended(tmp_path, [known]) == set()


def test_that_there_is_a_process_can_be_told_without_reading_of_it(tmp_path: Path) -> None:
    make(tmp_path, 20)

    assert processes.exists(tmp_path, 20)
    assert not processes.exists(tmp_path, 21)
    assert processes.exists(Path("/proc"), os.getpid())
    assert not processes.exists(Path("/proc"), GONE)
