from pathlib import Path

import pytest

from exporter.kernel import processes, sockstat
from exporter.kernel.sockstat import FRESH_SECONDS, NAMESPACES_SECONDS, ClosedSockets
from tests.lab.leaks import leak
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for


class Proc:
    """A /proc in which 100 sockets are allocated, with processes in network namespaces."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process("self", self.namespace("own", 0))

    def namespace(self, name: str, in_use: int, in_use_6: int | None = 0) -> Path:
        """Its files; *in_use_6* is None where the kernel has no IPv6."""
        folder = self.root / "namespaces" / name
        folder.mkdir(parents=True)
        self.write(name, in_use)
        if in_use_6 is not None:
            (folder / "sockstat6").write_text(f"TCP6: inuse {in_use_6}\nUDP6: inuse 7\n")
        return folder

    def write(self, name: str, in_use: int, allocated: int = 100) -> None:
        text = f"sockets: used 999\nTCP: inuse {in_use} orphan 0 tw 300 alloc {allocated} mem 67\nUDP: inuse 7\n"
        (self.root / "namespaces" / name / "sockstat").write_text(text)

    def process(self, pid: int | str, namespace: Path) -> None:
        (self.root / str(pid)).mkdir()
        (self.root / str(pid) / "net").symlink_to(namespace)

    def end(self, pid: int) -> None:
        (self.root / str(pid) / "net").unlink()
        (self.root / str(pid)).rmdir()

    def count(self) -> int | None:
        """What is told at first sight."""
        return ClosedSockets(self.root).count(0.0)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_what_is_allocated_and_in_no_table_is_counted(proc: Proc) -> None:
    proc.process(1, proc.namespace("host", 60, 15))

    assert proc.count() == 100 - 60 - 15


def test_all_namespaces_count_each_of_them_once(proc: Proc) -> None:
    """Whatever number of processes is in them; what is allocated is of all of them already."""
    host, pod = proc.namespace("host", 10, 1), proc.namespace("pod", 20, 2)
    for pid, namespace in ((1, host), (20, pod), (21, pod), (22, host)):
        proc.process(pid, namespace)

    assert proc.count() == 100 - 11 - 22


def test_it_is_never_less_than_none(proc: Proc) -> None:
    """Each file is read a moment later."""
    proc.process(1, proc.namespace("host", 101))

    assert proc.count() == 0


def test_the_number_is_told_for_a_while_and_then_read_again(proc: Proc) -> None:
    proc.process(1, proc.namespace("host", 60))
    sockets = ClosedSockets(proc.root)
    assert sockets.count(5.0) == 40

    proc.write("host", 50)

    assert sockets.count(4.9 + FRESH_SECONDS) == 40
    assert sockets.count(5.0 + FRESH_SECONDS) == 50


def test_a_namespace_that_is_new_is_found_after_a_while(proc: Proc) -> None:
    proc.process(1, proc.namespace("host", 60))
    sockets = ClosedSockets(proc.root)
    assert sockets.count(0.0) == 40

    proc.process(20, proc.namespace("pod", 30))

    assert sockets.count(NAMESPACES_SECONDS - 1) == 40
    assert sockets.count(NAMESPACES_SECONDS - 1 + FRESH_SECONDS) == 10


def test_where_the_first_process_of_all_is_hidden_nothing_is_known(proc: Proc) -> None:
    """/proc is mounted with hidepid=2: there may be others, with namespaces of theirs."""
    proc.process(20, proc.namespace("host", 60))

    assert proc.count() is None


def test_in_a_pid_namespace_of_its_own_nothing_is_known(proc: Proc) -> None:
    proc.process(1, proc.namespace("host", 60))
    assert proc.count() == 40

    (proc.root / "self" / "ns").mkdir()
    (proc.root / "self" / "ns" / "pid").symlink_to("pid:[4026532999]")

    assert proc.count() is None


def test_where_other_processes_may_not_be_asked_nothing_is_known(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc is mounted with hidepid=1."""

    def refuse(root: Path, pid: int) -> int:
        raise PermissionError(root / str(pid))

    proc.process(1, proc.namespace("host", 60))
    monkeypatch.setattr(processes, "network", refuse)

    assert proc.count() is None


def test_of_more_namespaces_than_can_be_read_nothing_is_known(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockstat, "NAMESPACES", 3)
    for pid in (1, 2, 3):
        proc.process(pid, proc.namespace(f"pod{pid}", 10))
    assert proc.count() == 70

    proc.process(4, proc.namespace("pod4", 10))
    assert proc.count() is None


def test_a_process_that_ends_while_namespaces_are_looked_for_is_left_out(proc: Proc) -> None:
    proc.process(1, proc.namespace("host", 60))
    (proc.root / "20").mkdir()

    assert proc.count() == 40


def test_when_a_process_has_ended_by_which_a_namespace_was_known_another_is_looked_for(proc: Proc) -> None:
    pod = proc.namespace("pod", 30)
    proc.process(1, proc.namespace("host", 60))
    proc.process(20, pod)
    proc.process(21, pod)
    sockets = ClosedSockets(proc.root)
    assert sockets.count(0.0) == 10

    proc.end(20)

    assert sockets.count(FRESH_SECONDS) == 10


def test_when_the_last_process_of_a_namespace_has_ended_the_others_are_counted(proc: Proc) -> None:
    """Its sockets have gone with it."""
    proc.process(1, proc.namespace("host", 60))
    proc.process(20, proc.namespace("pod", 30))
    sockets = ClosedSockets(proc.root)
    assert sockets.count(0.0) == 10

    proc.end(20)
    proc.write("own", 0, allocated=69)

    assert sockets.count(FRESH_SECONDS) == 9


def test_a_kernel_without_ipv6_has_no_such_sockets(proc: Proc) -> None:
    proc.process(1, proc.namespace("host", 60, None))
    (proc.root / "self" / "net" / "sockstat6").unlink()

    assert proc.count() == 40


def test_a_file_that_only_a_process_is_missing_is_no_sign_of_such_a_kernel(proc: Proc) -> None:
    proc.process(1, proc.namespace("host", 60, None))

    assert proc.count() is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("TCP: inuse 5\n", id="without alloc, as gVisor has it"),
        pytest.param("UDP: inuse 5\n", id="without TCP"),
        pytest.param("TCP: inuse 5 alloc\n", id="cut off"),
        pytest.param("TCP: inuse 5 alloc many\n", id="no number"),
        pytest.param("", id="empty"),
    ],
)
def test_where_the_kernel_does_not_tell_what_is_allocated_nothing_is_known(text: str, proc: Proc) -> None:
    proc.process(1, proc.namespace("host", 60))
    (proc.root / "self" / "net" / "sockstat").write_text(text)

    assert proc.count() is None


@pytest.mark.parametrize("file", ["sockstat", "sockstat6"])
def test_where_a_namespace_does_not_tell_what_is_in_use_nothing_is_known(file: str, proc: Proc) -> None:
    proc.process(1, proc.namespace("host", 60))
    (proc.root / "1" / "net" / file).write_text("UDP: inuse 5\n")

    assert proc.count() is None


def test_without_proc_nothing_is_known(tmp_path: Path) -> None:
    assert ClosedSockets(tmp_path / "none").count(0.0) is None


RESET = 1000


@pytest.mark.kernel
def test_sockets_that_were_reset_and_are_held_are_counted_by_the_real_kernel(host: Namespace) -> None:
    """Of the whole host: others make some too, but not that many."""

    def counted() -> int:
        found = ClosedSockets().count(0.0)
        assert found is not None
        return found

    before = counted()
    with leak(host, "idle", "reset", 7000, RESET) as idle:
        wait_for(lambda: abs(counted() - before - RESET) < RESET / 10, "the reset ones are counted")
        idle.end()
        wait_for(lambda: abs(counted() - before) < RESET / 10, "they are gone with their process")


@pytest.mark.kernel
def test_sockets_that_are_in_use_are_not_counted_by_the_real_kernel(host: Namespace) -> None:
    """Both ends of each connection, half-closed."""
    with leak(host, "server", "serve", 7000):
        before = ClosedSockets().count(0.0)
        with leak(host, "client", "dial", 7000, RESET):
            after = ClosedSockets().count(0.0)

    assert before is not None
    assert after is not None
    assert abs(after - before) < RESET / 10
