from collections.abc import Callable, Iterator, Sequence
from itertools import count
from os import getpid
from pathlib import Path

import psutil
import pytest

from exporter.kernel import descriptors
from exporter.kernel.owners import CHECK_SECONDS, CHECK_SHARE, SEARCH_SECONDS, URGENT_SHARE, OwnerSearch
from exporter.tcp.holders import HolderClue, Process

ENOUGH = 1000.0
GONE = 1 << 22
"""No process has this number: a 64-bit kernel's PID_MAX_LIMIT."""


class Proc:
    """A /proc with processes that hold sockets."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def process(self, pid: int, name: str, *inodes: int, cgroup: str = "0::/own") -> None:
        folder = self.root / str(pid) / "fd"
        folder.mkdir(parents=True)
        (folder.parent / "comm").write_text(f"{name}\n")
        (folder.parent / "cgroup").write_text(f"{cgroup}\n")
        (folder.parent / "stat").write_text(f"{pid} ({name}) S 1 {'0 ' * 17}{100 * pid}\n")
        for number, inode in enumerate(inodes):
            (folder / str(number)).symlink_to(f"socket:[{inode}]")

    def workers(self, pids: range) -> None:
        """Processes that hold a socket each: its inode is 100 more than their number."""
        for pid in pids:
            self.process(pid, f"worker{pid}", 100 + pid)

    def search(self, peers: Callable[[str], Sequence[int]] = lambda _: ()) -> OwnerSearch:
        """Each look at the clock is a second later, and there is one before each process."""
        ticks = count()
        return OwnerSearch(self.root, lambda: next(ticks), peers)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def clues(*inodes: int) -> list[HolderClue]:
    return [HolderClue(inode) for inode in inodes]


def names(search: OwnerSearch, seconds: float = ENOUGH) -> dict[int, str]:
    """By inode, the processes that are found in so many *seconds*."""
    found = search.go_on(seconds).items()
    return {clue.inode: "+".join(process.name for process in holders) for clue, holders in found}


def test_holders_are_found_in_one_go_where_there_is_time(proc: Proc) -> None:
    proc.process(1, "init", 5)
    proc.process(20, "nginx", 11, 12, cgroup="0::/system.slice/nginx.service")
    search = proc.search()

    search.begin(clues(11, 12, 13), [], now=0)

    nginx = (Process(20, "nginx", "/system.slice/nginx.service", 2000),)
    assert search.go_on(ENOUGH) == {HolderClue(11): nginx, HolderClue(12): nginx, HolderClue(13): ()}


def test_a_search_goes_on_where_it_had_to_stop(proc: Proc) -> None:
    proc.workers(range(1, 10))
    search = proc.search()

    search.begin(clues(101, 105, 109), [], now=0)
    found = [names(search, seconds=3.5) for _ in range(6)]

    assert found == [{101: "worker1"}, {105: "worker5"}, {109: "worker9"}, {}, {}, {}]


def test_who_is_not_found_is_told_when_all_have_been_looked_into(proc: Proc) -> None:
    proc.workers(range(1, 10))
    search = proc.search()

    search.begin(clues(5, 109), [], now=0)
    found = [search.go_on(3.5) for _ in range(5)]

    assert [sorted(clue.inode for clue in some) for some in found] == [[], [], [109], [5], []]
    assert found[3] == {HolderClue(5): ()}


def test_what_was_found_is_told_once(proc: Proc) -> None:
    proc.process(1, "init", 5)
    search = proc.search()
    search.begin(clues(5, 6), [], now=0)
    assert len(search.go_on(ENOUGH)) == 2

    assert search.go_on(ENOUGH) == {}


def test_a_search_that_is_stopped_finds_nobody_and_is_not_begun_anew_at_once(proc: Proc) -> None:
    """There is nobody left to search for."""
    proc.workers(range(1, 10))
    search = proc.search()
    search.begin(clues(109), [], now=0)
    assert search.go_on(2.5) == {}

    search.stop()

    assert search.go_on(ENOUGH) == {}
    assert not search.is_ready(SEARCH_SECONDS - 1)
    assert search.is_ready(SEARCH_SECONDS)


def test_a_search_after_one_that_was_stopped_is_for_its_own_sockets_only(proc: Proc) -> None:
    proc.workers(range(1, 10))
    search = proc.search()
    search.begin(clues(108, 109), [], now=0)
    search.stop()

    search.begin(clues(109), [], now=SEARCH_SECONDS)

    assert names(search) == {109: "worker9"}


def test_a_process_that_a_source_names_is_called_by_its_name(proc: Proc) -> None:
    search, own, gone = proc.search(), HolderClue(0, getpid()), HolderClue(0, GONE)

    search.begin([own, gone], [], now=0)

    assert search.go_on(0) == {own: (Process(getpid(), psutil.Process().name(), ""),), gone: ()}


def test_to_name_a_process_takes_no_search(proc: Proc) -> None:
    proc.process(1, "init", 5)
    search = proc.search()

    search.begin([HolderClue(0, getpid())], [], now=0)
    assert search.is_ready(0)

    search.begin([HolderClue(0, getpid()), HolderClue(5)], [], now=0)
    assert not search.is_ready(0)
    assert names(search)[5] == "init"


def test_without_time_nothing_is_looked_at(proc: Proc) -> None:
    proc.process(1, "init", 5)
    search = proc.search()

    search.begin(clues(5), [], now=0)

    assert search.go_on(0) == {}


def test_without_a_search_nobody_is_found(proc: Proc) -> None:
    proc.process(1, "init", 5)
    search = proc.search()

    assert search.is_ready(0)
    assert search.go_on(ENOUGH) == {}


def test_searches_keep_their_distance(proc: Proc) -> None:
    """From beginning to beginning."""
    proc.process(1, "first", 5)
    search = proc.search()
    search.begin(clues(5), [], now=0)
    assert names(search) == {5: "first"}
    proc.process(2, "second", 6)

    assert not search.is_ready(SEARCH_SECONDS - 1)
    assert search.is_ready(SEARCH_SECONDS)
    search.begin(clues(6), [], now=SEARCH_SECONDS)
    assert names(search) == {6: "second"}


def test_a_search_for_who_has_what_another_has_left_does_not_wait_that_long(proc: Proc) -> None:
    """But for as long as the search before it was dear."""
    proc.process(1, "first", 5)
    search = OwnerSearch(proc.root, count(step=0.01).__next__)
    search.begin(clues(5), [], now=100)
    assert not search.is_ready(100 + SEARCH_SECONDS - 1, is_urgent=True)  # it is under way
    search.go_on(ENOUGH)

    took = 0.03  # four looks at the clock
    assert not search.is_ready(100 + 0.9 * took / URGENT_SHARE, is_urgent=True)
    assert search.is_ready(100 + 1.1 * took / URGENT_SHARE, is_urgent=True)
    assert not search.is_ready(100 + 1.1 * took / URGENT_SHARE)


def test_a_search_that_takes_long_is_finished_before_the_next(proc: Proc) -> None:
    proc.workers(range(1, 10))
    search = proc.search()

    search.begin(clues(109), [], now=0)
    search.go_on(2.5)

    assert not search.is_ready(10 * SEARCH_SECONDS)
    search.go_on(ENOUGH)
    assert search.is_ready(10 * SEARCH_SECONDS)


def test_a_process_that_is_known_is_asked_first(proc: Proc) -> None:
    for pid in range(1, 50):
        proc.process(pid, "other")
    proc.process(60, "leaker", 5, 6)
    search = proc.search()

    search.begin(clues(6), first=[60], now=0)

    assert names(search, seconds=1.5) == {6: "leaker"}


def test_a_search_ends_with_the_last_socket_that_it_is_for(proc: Proc) -> None:
    proc.workers(range(1, 10))
    search = proc.search()

    search.begin(clues(101, 102), [], now=0)

    assert names(search, seconds=3.5) == {101: "worker1", 102: "worker2"}
    assert search.is_ready(SEARCH_SECONDS)


def test_who_may_not_look_says_so_once(
    proc: Proc, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> Iterator[int]:
        raise PermissionError(folder)

    monkeypatch.setattr(descriptors, "_sockets", refuse)
    proc.process(1, "init", 5)
    search = proc.search()

    for number, inode in enumerate((5, 6)):
        search.begin(clues(inode), [], now=number * SEARCH_SECONDS)
        assert search.go_on(ENOUGH) == {HolderClue(inode): ()}

    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("the processes that hold 1 stuck sockets were not found")
    assert "CAP_SYS_PTRACE" in message


def test_a_holder_that_is_gone_is_no_reason_to_speak_of_privileges(
    proc: Proc, caplog: pytest.LogCaptureFixture
) -> None:
    proc.process(1, "init", 5)
    search = proc.search()

    search.begin(clues(6), [], now=0)

    assert search.go_on(ENOUGH) == {HolderClue(6): ()}
    assert caplog.records == []


def test_without_proc_nobody_is_found(tmp_path: Path) -> None:
    search = OwnerSearch(tmp_path / "none")

    search.begin(clues(5), [], now=0)

    assert search.go_on(ENOUGH) == {HolderClue(5): ()}


def test_a_process_that_ends_meanwhile_does_no_harm(proc: Proc) -> None:
    proc.process(1, "gone", 5)
    (proc.root / "1/comm").unlink()
    proc.process(2, "other", 6)
    search = proc.search()

    search.begin(clues(5, 6), [], now=0)

    assert search.go_on(ENOUGH) == {HolderClue(5): (), HolderClue(6): (Process(2, "other", "/own", 200),)}


def test_a_name_that_is_no_text_is_shown_as_far_as_it_is(proc: Proc) -> None:
    proc.process(1, "x", 5)
    (proc.root / "1/comm").write_bytes(b"\xff\xfe\n")
    search = proc.search()

    search.begin(clues(5), [], now=0)

    assert names(search) == {5: "\ufffd\ufffd"}


def test_who_shares_the_cgroup_of_a_holder_is_looked_into_too(proc: Proc) -> None:
    proc.process(7, "parent", 5, cgroup="0::/web")
    proc.process(60, "child", 5, cgroup="0::/web")
    search = proc.search(lambda path: {"/web": [7, 60]}.get(path, []))

    search.begin(clues(5), first=[7], now=0)

    assert names(search) == {5: "parent+child"}


def test_a_socket_is_told_of_again_when_another_holder_is_found(proc: Proc) -> None:
    """While the search goes on for other sockets."""
    proc.workers(range(1, 10))
    proc.process(20, "first", 5)
    proc.process(30, "second", 5)
    search = proc.search()

    search.begin(clues(5, 6), first=[20], now=0)

    assert names(search, seconds=2.5) == {5: "first"}
    assert names(search) == {5: "first+second", 6: ""}


def test_known_holders_are_looked_for_again_after_a_while(proc: Proc) -> None:
    proc.process(1, "init", 5)
    search = OwnerSearch(proc.root, lambda: 0.0)
    assert search.is_check_due(0)

    search.begin(clues(5), [], now=100)
    search.go_on(ENOUGH)

    assert not search.is_check_due(100 + CHECK_SECONDS - 1)
    assert search.is_check_due(100 + CHECK_SECONDS)


def test_the_dearer_a_check_was_the_longer_known_holders_are_left_in_peace(proc: Proc) -> None:
    proc.workers(range(1, 10))
    search = proc.search()

    search.begin(clues(109), [], now=0, is_check=True)
    search.go_on(5.5)
    search.go_on(ENOUGH)

    took = 13  # of 15 looks at the clock, less one for what was between the two
    assert not search.is_check_due(took / CHECK_SHARE - 1)
    assert search.is_check_due(took / CHECK_SHARE)


def test_who_has_ended_is_known(proc: Proc) -> None:
    proc.process(7, "there")
    there, gone = Process(7, "there", "/own", 700), Process(8, "gone", "/own", 800)

    assert proc.search().ended([there, gone]) == {gone}


def hints(proc: Proc, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What two searches in vain say together."""
    search = proc.search()
    for number in range(2):
        search.begin(clues(6), [], now=number * SEARCH_SECONDS)
        search.go_on(ENOUGH)
    return [record.getMessage().partition(" sockets were not found: ")[2] for record in caplog.records]


def test_who_is_in_a_pid_namespace_of_its_own_says_so_once(proc: Proc, caplog: pytest.LogCaptureFixture) -> None:
    proc.process(1, "exporter", 5)
    (proc.root / "self" / "ns").mkdir(parents=True)
    (proc.root / "self" / "ns" / "pid").symlink_to("pid:[4026532999]")

    [hint] = hints(proc, caplog)

    assert "PID namespace" in hint
    assert "--pid host" in hint


def test_who_sees_only_own_processes_says_what_privilege_that_takes(
    proc: Proc, caplog: pytest.LogCaptureFixture
) -> None:
    """/proc is mounted with hidepid=2: nobody refuses, and the first process of all is not there."""
    proc.process(4711, "exporter", 5)

    [hint] = hints(proc, caplog)

    assert "CAP_SYS_PTRACE" in hint
