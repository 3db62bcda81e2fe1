import errno
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from exporter.kernel import descriptors
from exporter.kernel.descriptors import DescriptorWalk
from exporter.tcp.holders import Process


class Proc:
    """A /proc with processes that have descriptors."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def process(self, pid: int, name: str, *targets: int | str, cgroup: str = "") -> None:
        """With descriptors of sockets, by inode, and of other things."""
        folder = self.root / str(pid) / "fd"
        folder.mkdir(parents=True)
        (folder.parent / "comm").write_text(f"{name}\n")
        (folder.parent / "cgroup").write_text(f"0::{cgroup or f'/{name}'}\n")
        (folder.parent / "stat").write_text(f"{pid} ({name}) S 1 {'0 ' * 17}{100 * pid}\n")
        for number, target in enumerate(targets):
            (folder / str(number)).symlink_to(f"socket:[{target}]" if isinstance(target, int) else target)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def finished(walk: DescriptorWalk) -> int:
    """How many steps it takes to the end."""
    steps = 0
    while walk.step():
        steps += 1
    return steps


def names(walk: DescriptorWalk) -> dict[int, str]:
    return {inode: "+".join(process.name for process in held_by) for inode, held_by in walk.found.items()}


def test_the_holders_of_sockets_are_found_by_inode(proc: Proc) -> None:
    proc.process(1, "init", 5, "/dev/null", "pipe:[11]")
    proc.process(20, "nginx", "anon_inode:[eventpoll]", 11, 12)
    walk = DescriptorWalk(proc.root, [11, 12, 13])

    finished(walk)

    nginx = Process(20, "nginx", "/nginx", 2000)
    assert walk.found == {11: (nginx,), 12: (nginx,)}
    assert walk.refused == 0


def test_a_step_looks_into_one_process(proc: Proc) -> None:
    for pid in (1, 2, 10):
        proc.process(pid, f"worker{pid}", 100 + pid)
    walk = DescriptorWalk(proc.root, [101, 102, 110])

    seen = []
    while walk.step():
        seen.append(sorted(walk.found))

    assert seen == [[101], [101, 102], [101, 102, 110]]


def test_a_walk_ends_with_the_last_inode_that_it_is_for(proc: Proc) -> None:
    for pid in range(1, 10):
        proc.process(pid, f"worker{pid}", 100 + pid)

    assert finished(DescriptorWalk(proc.root, [101, 103])) == 3


def test_without_inodes_nothing_is_looked_into(proc: Proc) -> None:
    proc.process(1, "init", 5)

    assert finished(DescriptorWalk(proc.root, [])) == 0


def test_processes_that_come_first_are_looked_into_first_and_once(proc: Proc) -> None:
    for pid in range(1, 5):
        proc.process(pid, "other")
    proc.process(60, "leaker", 5)

    assert finished(DescriptorWalk(proc.root, [5], first=[60, 60])) == 1
    assert finished(DescriptorWalk(proc.root, [6], first=[60])) == 5


def test_who_is_likely_to_share_a_socket_is_looked_into_next_and_nobody_else(proc: Proc) -> None:
    for pid in range(1, 10):
        proc.process(pid, f"other{pid}")
    proc.process(10, "parent", 5)
    proc.process(30, "stranger", 5)
    proc.process(40, "child", 5)
    walk = DescriptorWalk(proc.root, [5], first=[10], kin=lambda _: [40, 41, 10])

    steps = finished(walk)

    assert names(walk) == {5: "parent+child"}
    assert steps == 3  # 41 is gone


def test_a_holder_is_told_once_all_have_been_looked_into_that_are_likely_to_share(proc: Proc) -> None:
    proc.process(10, "parent", 5)
    proc.process(40, "child", 5)
    walk = DescriptorWalk(proc.root, [5, 6], kin=lambda process: [40] if process.pid == 10 else [])

    settled = []
    while walk.step():
        settled.append({inode: len(holders) for inode, holders in walk.settled().items()})

    assert settled == [{}, {5: 2}]


def test_so_many_kin_and_no_more(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "KIN", 3)
    for pid in range(1, 10):
        proc.process(pid, "worker", 5)
    walk = DescriptorWalk(proc.root, [5], kin=lambda _: range(1, 10))

    assert finished(walk) == 4
    assert [process.pid for process in walk.found[5]] == [1, 2, 3, 4]


def test_a_search_goes_on_behind_systemd_which_keeps_what_it_makes_for_others(proc: Proc) -> None:
    proc.process(1, "systemd", 5, 6, cgroup="/init.scope")
    for pid in range(2, 10):
        proc.process(pid, "other")
    proc.process(10, "gunicorn", 5, cgroup="/system.slice/gunicorn.service")
    walk = DescriptorWalk(proc.root, [5, 6])

    walk.step()
    assert (names(walk), walk.settled()) == ({5: "systemd", 6: "systemd"}, {})

    finished(walk)
    assert names(walk) == {5: "systemd+gunicorn", 6: "systemd"}


def test_a_step_looks_at_so_many_descriptors_and_no_more(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "AT_ONCE", 10)
    proc.process(1, "busy", *range(100, 135))
    proc.process(2, "other", 7)
    walk = DescriptorWalk(proc.root, [*range(100, 135), 7])

    assert [walk.step() and len(walk.settled()) for _ in range(5)] == [0, 0, 0, 35, 36]


def test_a_process_is_left_as_soon_as_all_has_been_found(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "AT_ONCE", 1)
    proc.process(1, "busy", *([7] * 50))

    assert finished(DescriptorWalk(proc.root, [7])) == 1


def test_a_process_that_ends_meanwhile_does_no_harm(proc: Proc) -> None:
    for pid in (1, 2, 3):
        proc.process(pid, f"worker{pid}", 100 + pid)
    walk = DescriptorWalk(proc.root, [101, 102, 103], first=[99])
    (proc.root / "1/comm").unlink()
    (proc.root / "2/fd/0").unlink()
    (proc.root / "2/fd").rmdir()

    finished(walk)

    assert names(walk) == {103: "worker3"}
    assert walk.refused == 0


def test_a_descriptor_that_is_closed_meanwhile_does_no_harm(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    proc.process(1, "busy", 5, 6)
    readlink = os.readlink

    def closed(name: str, *, dir_fd: int) -> str:
        if name == "0":
            raise FileNotFoundError(name)
        return readlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "readlink", closed)
    walk = DescriptorWalk(proc.root, [5, 6])

    finished(walk)

    assert names(walk) == {6: "busy"}


def test_processes_that_we_may_not_look_into_are_counted(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    look = descriptors._sockets

    def refuse(folder: Path) -> Iterable[Iterable[int | None]]:
        if folder == proc.root / "1/fd":
            raise PermissionError(folder)
        return look(folder)

    monkeypatch.setattr(descriptors, "_sockets", refuse)
    proc.process(1, "init", 5)
    proc.process(2, "own", 6)
    walk = DescriptorWalk(proc.root, [5, 6])

    finished(walk)

    assert names(walk) == {6: "own"}
    assert walk.refused == 1


def test_without_proc_nobody_is_found(tmp_path: Path) -> None:
    walk = DescriptorWalk(tmp_path / "none", [5])

    assert finished(walk) == 0
    assert walk.found == {}


def test_our_own_sockets_are_found_on_this_kernel() -> None:
    with socket.socket() as held:
        inode = int(Path(f"/proc/self/fd/{held.fileno()}").readlink().name.removeprefix("socket:[").removesuffix("]"))
        own = int(Path("/proc/self").readlink().name)
        walk = DescriptorWalk(Path("/proc"), [inode], first=[own])
        finished(walk)

    assert [process.pid for process in walk.found[inode]] == [own]


def test_a_walk_without_a_descriptor_is_blind_and_one_past_an_end_is_not(
    proc: Proc, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc.process(5, "nginx", 11)
    for number, is_blind in ((errno.EMFILE, True), (errno.ENFILE, True), (errno.ENOENT, False), (errno.ESRCH, False)):
        walk = DescriptorWalk(proc.root, [11])
        with monkeypatch.context() as patched:
            patched.setattr(descriptors, "_opened", _failing(number))
            finished(walk)

        assert (walk.is_blind, walk.found) == (is_blind, {})


def _failing(number: int) -> Callable[[Path], None]:
    def fail(_: Path) -> None:
        raise OSError(number, os.strerror(number))

    return fail
