import os
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path

import psutil
import pytest

from exporter.kernel import descriptors
from exporter.kernel.cgroups import Cgroups
from exporter.kernel.owners import FORGET_SECONDS, SEARCH_SECONDS, OwnerSearch
from exporter.tcp.holders import NO_PROCESS, HolderClue, Owner, Process

ENOUGH = 1000.0


class Proc:
    """A /proc with processes that hold sockets, and a tree of cgroups."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cgroups = root / "cgroup"
        self.cgroups.mkdir()
        (self.cgroups / "cgroup.controllers").touch()

    def process(self, pid: int, name: str, *inodes: int, cgroup: str = "0::/own") -> None:
        folder = self.root / str(pid) / "fd"
        folder.mkdir(parents=True)
        (folder.parent / "comm").write_text(f"{name}\n")
        (folder.parent / "cgroup").write_text(f"{cgroup}\n")
        for number, inode in enumerate(inodes):
            (folder / str(number)).symlink_to(f"socket:[{inode}]")

    def group(self, path: str) -> int:
        (self.cgroups / path).mkdir(parents=True)
        return (self.cgroups / path).stat().st_ino

    def owners(self, ticks: Iterator[float] | None = None) -> OwnerSearch:
        """Each look at the clock is a tick later."""
        steps = ticks or iter(count())
        return OwnerSearch(self.root, Cgroups(self.cgroups, lambda: 0.0), lambda: next(steps))


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def wanted(*inodes: int) -> dict[int | tuple[int, bytes, int | None], HolderClue]:
    """Sockets whose cookie is their inode."""
    return {inode: HolderClue(inode, pid=0) for inode in inodes}


def test_holders_are_found_in_one_go_where_there_is_time(proc: Proc) -> None:
    proc.process(1, "init", 5)
    proc.process(20, "nginx", 11, 12, cgroup="0::/system.slice/nginx.service")
    owners = proc.owners()

    owners.look(wanted(11, 12, 13), now=0, seconds=ENOUGH)

    nginx = Process(20, "nginx", "/system.slice/nginx.service")
    assert owners.holders == {11: nginx, 12: nginx, 13: NO_PROCESS}


def test_a_search_goes_on_where_it_had_to_stop(proc: Proc) -> None:
    for pid in range(1, 10):
        proc.process(pid, f"worker{pid}", 100 + pid)
    owners = proc.owners()

    found = []
    for _ in range(6):
        owners.look(wanted(101, 105, 109), now=0, seconds=3.5)
        found.append(sorted(identity for identity in owners.holders if isinstance(identity, int)))

    assert found[0] == [101]
    assert found[-1] == [101, 105, 109]
    assert all(len(after) - len(before) <= 1 for before, after in pairwise(found))


def test_a_search_ends_when_there_is_nobody_left_to_search_for(proc: Proc) -> None:
    for pid in range(1, 10):
        proc.process(pid, f"worker{pid}", 100 + pid)
    owners = proc.owners()
    owners.look(wanted(109), now=0, seconds=2.5)

    owners.look({}, now=5, seconds=ENOUGH)
    owners.look(wanted(109), now=SEARCH_SECONDS - 1, seconds=ENOUGH)

    assert owners.holders == {}


def test_a_process_that_a_source_names_is_called_by_its_name(proc: Proc) -> None:
    owners = proc.owners()
    gone = 1 << 22

    owners.look({1: HolderClue(0, os.getpid()), 2: HolderClue(0, gone)}, now=0, seconds=0)

    assert owners.holders == {1: Process(os.getpid(), psutil.Process().name(), ""), 2: NO_PROCESS}


def test_without_time_nothing_is_looked_at(proc: Proc) -> None:
    proc.process(1, "init", 5)
    owners = proc.owners()

    owners.look(wanted(5), now=0, seconds=0)

    assert owners.holders == {}


def test_searches_keep_their_distance(proc: Proc) -> None:
    proc.process(1, "first", 5)
    owners = proc.owners()
    owners.look(wanted(5), now=0, seconds=ENOUGH)
    proc.process(2, "second", 6)

    owners.look(wanted(6), now=SEARCH_SECONDS - 1, seconds=ENOUGH)
    assert 6 not in owners.holders

    owners.look(wanted(6), now=SEARCH_SECONDS, seconds=ENOUGH)
    assert owners.holders[6].process == "second"


def test_a_process_that_is_known_is_asked_first(proc: Proc) -> None:
    for pid in range(1, 50):
        proc.process(pid, "other")
    proc.process(60, "leaker", 5, 6)
    owners = proc.owners()
    owners.look(wanted(5), now=0, seconds=ENOUGH)

    owners.look(wanted(6), now=SEARCH_SECONDS, seconds=2.5)

    assert owners.holders[6].process == "leaker"


def test_what_is_gone_is_forgotten_and_what_was_not_found_is_sought_again(proc: Proc) -> None:
    proc.process(1, "init", 5, 6)
    owners = proc.owners()
    owners.look(wanted(5, 6, 7), now=0, seconds=ENOUGH)

    owners.forget(lambda identity: identity != 5, now=FORGET_SECONDS)

    assert owners.holders == {6: Process(1, "init", "/own")}


def test_who_may_not_look_says_so_once(
    proc: Proc, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> Iterator[int]:
        raise PermissionError(folder)

    monkeypatch.setattr(descriptors, "_sockets", refuse)
    proc.process(1, "init", 5)
    owners = proc.owners()

    owners.look(wanted(5), now=0, seconds=ENOUGH)
    owners.look(wanted(6), now=SEARCH_SECONDS, seconds=ENOUGH)

    assert owners.holders == {5: NO_PROCESS, 6: NO_PROCESS}
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("the processes of 1 stuck sockets are left empty")


def test_without_proc_nobody_is_found(tmp_path: Path) -> None:
    owners = OwnerSearch(tmp_path / "none", Cgroups(tmp_path / "none"))

    owners.look(wanted(5), now=0, seconds=ENOUGH)

    assert owners.holders == {5: NO_PROCESS}


def test_a_process_that_ends_meanwhile_does_no_harm(proc: Proc) -> None:
    proc.process(1, "gone", 5)
    (proc.root / "1/comm").unlink()

    owners = proc.owners()
    owners.look(wanted(5), now=0, seconds=ENOUGH)

    assert owners.holders == {5: NO_PROCESS}


def test_a_socket_tells_its_cgroup_and_the_process_stands_in_where_that_is_the_root(proc: Proc) -> None:
    number = proc.group("system.slice/nginx.service")
    owners = proc.owners()
    owners.cgroups.look(frozenset({number, proc.cgroups.stat().st_ino}), now=0)
    worker = Process(20, "worker", "/docker/0123")

    assert owners.owner(number, worker) == Owner("/system.slice/nginx.service", "worker", 20)
    assert owners.owner(number, NO_PROCESS) == Owner("/system.slice/nginx.service", "", 0)
    assert owners.owner(proc.cgroups.stat().st_ino, worker) == Owner("/docker/0123", "worker", 20)
    assert owners.owner(proc.cgroups.stat().st_ino, NO_PROCESS) == Owner("/", "", 0)
    assert owners.owner(0, NO_PROCESS) == Owner("", "", 0)


def test_a_cgroup_that_was_removed_keeps_its_name_while_it_is_asked_for(proc: Proc) -> None:
    first, later = proc.group("first"), proc.group("later/deeper")
    cgroups = proc.owners().cgroups
    cgroups.look(frozenset({first}), now=0)
    (proc.cgroups / "first").rmdir()

    for numbers in (frozenset({first, later, 1}), frozenset({first, 2})):
        cgroups.look(numbers, now=0)
        assert (cgroups.path(first), cgroups.path(later)) == ("/first", "/later/deeper")

    cgroups.look(frozenset({3}), now=0)
    assert cgroups.path(first) == ""


def test_walks_through_the_cgroups_take_a_small_share_of_the_time(proc: Proc) -> None:
    """A walk that took a second is followed by another after minutes."""
    ticks = iter(count())
    cgroups = Cgroups(proc.cgroups, lambda: next(ticks))
    cgroups.look(frozenset({1}), now=0)
    later = proc.group("later")

    cgroups.look(frozenset({later}), now=199)
    assert cgroups.path(later) == ""
    cgroups.look(frozenset({later}), now=200)
    assert cgroups.path(later) == "/later"


def test_a_name_that_is_no_text_is_shown_as_far_as_it_is(proc: Proc) -> None:
    proc.process(1, "x", 5)
    (proc.root / "1/comm").write_bytes(b"\xff\xfe\n")
    owners = proc.owners()

    owners.look(wanted(5), now=0, seconds=ENOUGH)

    assert owners.holders[5].process == "\ufffd\ufffd"
