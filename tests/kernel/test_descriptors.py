import os
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest

from exporter.kernel import descriptors
from exporter.kernel.descriptors import DescriptorWalk
from exporter.tcp.holders import Process


class Proc:
    """A /proc with processes that have descriptors."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def process(self, pid: int, name: str, *targets: int | str) -> None:
        """With descriptors of sockets, by inode, and of other things."""
        folder = self.root / str(pid) / "fd"
        folder.mkdir(parents=True)
        (folder.parent / "comm").write_text(f"{name}\n")
        (folder.parent / "cgroup").write_text(f"0::/{name}\n")
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
    return {inode: process.name for inode, process in walk.found.items()}


def test_the_holders_of_sockets_are_found_by_inode(proc: Proc) -> None:
    proc.process(1, "init", 5, "/dev/null", "pipe:[11]")
    proc.process(20, "nginx", "anon_inode:[eventpoll]", 11, 12)
    walk = DescriptorWalk(proc.root, [11, 12, 13])

    finished(walk)

    nginx = Process(20, "nginx", "/nginx")
    assert walk.found == {11: nginx, 12: nginx}
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


def test_the_first_process_that_has_a_shared_socket_is_its_holder(proc: Proc) -> None:
    proc.process(1, "parent", 5)
    proc.process(2, "child", 5)
    walk = DescriptorWalk(proc.root, [5])

    finished(walk)

    assert names(walk) == {5: "parent"}


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

    def refuse(folder: Path) -> Iterable[int]:
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

    assert walk.found[inode].pid == own
