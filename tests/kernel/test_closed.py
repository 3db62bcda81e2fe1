"""Looks for sockets that are in no table: into this process, which makes real ones, and below a /proc of our own."""

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from exporter.kernel import closed, processes
from exporter.kernel.closed import PAUSE_SECONDS, SHARE, ClosedSearch
from exporter.tcp.closed import Look
from exporter.tcp.holders import Process
from tests.lab.leaks import leak
from tests.lab.netns import Namespace

ENOUGH = 1000.0
GONE = 1 << 22
"""No process has this number: a 64-bit kernel's PID_MAX_LIMIT."""
OWN = os.getpid()


class Proc:
    """A /proc with processes that have descriptors."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.namespace("self")

    def namespace(self, name: int | str) -> None:
        """A process in a network namespace of its own."""
        folder = self.root / str(name) / "net"
        folder.mkdir(parents=True)
        (folder / "sockstat").write_text("TCP: inuse 1\n")

    def process(self, pid: int, *targets: int | str) -> None:
        """In our namespace, with descriptors of sockets, by inode, and of other things."""
        folder = self.root / str(pid)
        (folder / "fd").mkdir(parents=True)
        if not (folder / "net").exists():
            (folder / "net").symlink_to(self.root / "self" / "net")
        (folder / "comm").write_text(f"worker{pid}\n")
        (folder / "cgroup").write_text("0::/web\n")
        (folder / "stat").write_text(f"{pid} (worker{pid}) S 1 {'0 ' * 17}{100 * pid}\n")
        for number, target in enumerate(targets):
            (folder / "fd" / str(number)).symlink_to(f"socket:[{target}]" if isinstance(target, int) else target)

    def search(self) -> ClosedSearch:
        """Each look at the clock is a second later, and there is one before each process."""
        return ClosedSearch(self.root, ticking(1.0))


def ticking(seconds: float) -> Callable[[], float]:
    """A clock that goes on by so much whenever somebody looks at it."""
    return count(0.0, seconds).__next__


def worker(pid: int) -> Process:
    return Process(pid, f"worker{pid}", "/web", 100 * pid)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


@pytest.fixture
def kept() -> Iterator[ExitStack]:
    """Sockets that are closed after the test."""
    with ExitStack() as stack:
        yield stack


def inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def look(pids: Iterable[int] | None, *suspects: int, proc: Path = Path("/proc")) -> Look:
    """What a look shows that is taken in one go."""
    search = ClosedSearch(proc)
    search.begin(pids, suspects, now=0.0)
    found = search.go_on(ENOUGH)
    assert found
    return found


def sockets_of(found: Look, pid: int) -> set[int]:
    """Inodes that the process has."""
    [inodes] = [inodes for process, inodes in found.sockets.items() if process.pid == pid]
    return set(inodes)


def closed_of(found: Look, pid: int) -> int:
    """How many of the suspects the process has."""
    return sum(number for process, number in found.suspects.items() if process.pid == pid)


def test_all_sockets_of_a_process_are_told_whatever_they_are(kept: ExitStack) -> None:
    made = [
        kept.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
        kept.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_STREAM)),
        kept.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        *map(kept.enter_context, socket.socketpair()),
    ]

    found = look([OWN])

    assert sockets_of(found, OWN) >= set(map(inode, made))
    assert closed_of(found, OWN) == 0
    [process] = found.sockets
    assert process == processes.process(Path("/proc"), OWN)


def test_of_the_suspects_those_are_counted_that_are_tcp(kept: ExitStack) -> None:
    tcp = [kept.enter_context(socket.socket(family)) for family in (socket.AF_INET, socket.AF_INET6)]
    others = [
        kept.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        kept.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)),
        *map(kept.enter_context, socket.socketpair()),
    ]

    assert closed_of(look([OWN], *map(inode, [*tcp, *others])), OWN) == len(tcp)
    assert closed_of(look([OWN], *map(inode, others)), OWN) == 0


def test_a_socket_that_was_in_a_table_is_no_suspect(kept: ExitStack) -> None:
    """A reading has taken it away; it is one of those for the next reading all the same."""
    over = kept.enter_context(socket.socket())
    listening = kept.enter_context(socket.create_server(("127.0.0.1", 0)))
    connected = kept.enter_context(socket.create_connection(listening.getsockname()))

    found = look([OWN], inode(over))

    assert closed_of(found, OWN) == 1
    assert sockets_of(found, OWN) >= {inode(over), inode(listening), inode(connected)}


def test_a_suspect_that_has_been_closed_meanwhile_is_not_counted() -> None:
    with socket.socket() as one:
        was = inode(one)
        assert closed_of(look([OWN], was), OWN) == 1

    assert closed_of(look([OWN], was), OWN) == 0


@pytest.mark.parametrize("at_once", [1, 2, 1000])
def test_a_socket_that_has_two_descriptors_is_one(
    at_once: int, kept: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closed, "AT_ONCE", at_once)
    one = kept.enter_context(socket.socket())
    kept.enter_context(one.dup())

    assert closed_of(look([OWN], inode(one)), OWN) == 1


def test_who_holds_no_suspect_holds_none_and_who_has_ended_is_nobody(proc: Proc) -> None:
    proc.process(7, 11, "/dev/null", "pipe:[13]", 12)
    proc.process(8)
    proc.process(9, 11)
    (proc.root / "9" / "comm").unlink()

    assert look([7, 8, 9, GONE], 99, proc=proc.root) == Look({worker(7): {11, 12}}, {worker(7): 0})


def test_who_is_not_named_is_not_looked_into(proc: Proc) -> None:
    for pid in (7, 8, 9):
        proc.process(pid, pid + 100)

    assert look([9, 7], proc=proc.root).sockets == {worker(9): {109}, worker(7): {107}}
    assert look([], proc=proc.root) == Look({}, {})


def test_all_are_looked_into_where_nobody_is_named(proc: Proc) -> None:
    for pid in (7, 8, 9):
        proc.process(pid, pid + 100)

    assert look(None, proc=proc.root).sockets == {worker(pid): {pid + 100} for pid in (7, 8, 9)}


def test_processes_of_another_network_namespace_are_left_out(proc: Proc) -> None:
    """What they have is in tables that are not read."""
    proc.namespace(7)
    proc.process(7, 107)
    proc.process(8, 108)

    assert look(None, proc=proc.root).sockets == {worker(8): {108}}


@pytest.mark.kernel
def test_processes_of_another_network_namespace_are_left_out_by_the_real_kernel(host: Namespace) -> None:
    with leak(host, "idle", "reset", 7000, 20) as idle:
        pid = idle.process.pid
        assert {process.pid for process in look([OWN, pid]).sockets} <= {OWN}

        with host.entered():
            suspects = sockets_of(look([OWN, pid]), pid)
            found = look([OWN, pid], *suspects)

    assert {process.pid for process in found.sockets} == {OWN, pid}
    assert closed_of(found, pid) == 20 + 1  # and its listening socket, which a reading would have taken away


def test_a_descriptor_that_is_closed_meanwhile_does_no_harm(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    readlink = os.readlink

    def gone(path: str) -> str:
        if path.endswith("/7/fd/0"):
            raise FileNotFoundError(path)
        return readlink(path)

    proc.process(7, 11, 12)
    monkeypatch.setattr(os, "readlink", gone)

    assert look([7], proc=proc.root).sockets == {worker(7): {12}}


def test_who_may_not_be_looked_into_is_left_out(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    readlink = os.readlink

    def refuse(path: str) -> str:
        if "/7/fd/" in path:
            raise PermissionError(path)
        return readlink(path)

    for pid in (7, 8):
        proc.process(pid, pid + 100)
    monkeypatch.setattr(os, "readlink", refuse)

    assert look(None, proc=proc.root).sockets == {worker(8): {108}}


def test_so_many_sockets_are_remembered_and_no_more(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all processes together, also where they are looked at in several steps."""
    monkeypatch.setattr(closed, "MOST", 5)
    monkeypatch.setattr(closed, "AT_ONCE", 2)
    for pid in (7, 8, 9):
        proc.process(pid, *range(100 * pid, 100 * pid + 3))

    found = look(None, proc=proc.root)

    assert [len(inodes) for inodes in found.sockets.values()] == [3, 2, 0]


def test_suspects_are_counted_also_where_no_more_are_remembered(
    kept: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closed, "MOST", 0)
    one = kept.enter_context(socket.socket())

    found = look([OWN], inode(one))

    assert sockets_of(found, OWN) == set()
    assert closed_of(found, OWN) == 1


def portions(search: ClosedSearch, seconds: float) -> tuple[int, Look]:
    """How many of so many *seconds* a look takes, and what it shows in the end."""
    for number in range(1, 100):
        if found := search.go_on(seconds):
            return number, found
    raise AssertionError("the look has no end")


def test_a_look_goes_on_where_it_had_to_stop(proc: Proc) -> None:
    for pid in range(1, 10):
        proc.process(pid, pid + 100)
    search = proc.search()

    search.begin(None, [], now=0.0)
    number, found = portions(search, 3.5)

    assert number > 3
    assert found.sockets == {worker(pid): {pid + 100} for pid in range(1, 10)}


def test_a_step_looks_at_so_many_descriptors_and_no_more(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    proc.process(7, *range(100, 195))
    search = proc.search()
    search.begin([7], [], now=0.0)
    assert portions(search, 3.5)[0] == 1

    monkeypatch.setattr(closed, "AT_ONCE", 10)
    search.begin([7], [], now=1e9)
    number, found = portions(search, 3.5)

    assert number > 3
    assert found.sockets == {worker(7): set(range(100, 195))}


def test_time_is_up_also_among_processes_that_have_nothing_for_us(proc: Proc) -> None:
    """Each of them takes time: those of other namespaces, those that have ended, and those without descriptors."""
    for pid in range(1, 40):
        if pid % 3 == 0:
            proc.namespace(pid)
        if pid % 3 == 1:
            proc.process(pid)
    search = proc.search()

    search.begin(range(1, 40), [], now=0.0)

    assert portions(search, 10.5)[0] > 3


def test_without_time_nothing_is_looked_at(proc: Proc) -> None:
    proc.process(7, 11)
    search = proc.search()

    search.begin([7], [], now=0.0)

    assert search.go_on(0.0) is None
    assert search.go_on(ENOUGH) == Look({worker(7): {11}}, {worker(7): 0})


def test_what_a_look_has_shown_is_told_once(proc: Proc) -> None:
    proc.process(7, 11)
    search = proc.search()
    search.begin([7], [], now=0.0)
    assert search.go_on(ENOUGH)

    assert search.go_on(ENOUGH) is None


def test_a_look_shows_what_there_is_and_not_what_there_was(proc: Proc) -> None:
    proc.process(7, 11)
    search = proc.search()
    search.begin(None, [], now=0.0)
    first = search.go_on(ENOUGH)
    proc.process(8, 12)
    (proc.root / "7" / "fd" / "0").unlink()

    search.begin(None, [], now=PAUSE_SECONDS)

    assert search.go_on(ENOUGH) == Look({worker(8): {12}}, {worker(8): 0})
    assert first == Look({worker(7): {11}}, {worker(7): 0})


def test_without_a_look_nothing_is_shown_and_one_may_begin(proc: Proc) -> None:
    search = proc.search()

    assert search.is_ready(0.0)
    assert search.go_on(ENOUGH) is None


def test_looks_keep_their_distance(proc: Proc) -> None:
    """From beginning to beginning."""
    proc.process(7, 11)
    search = ClosedSearch(proc.root, lambda: 0.0)
    search.begin([7], [], now=100.0)
    assert search.go_on(ENOUGH)

    assert not search.is_ready(99.9 + PAUSE_SECONDS)
    assert search.is_ready(100.0 + PAUSE_SECONDS)


def test_a_look_that_takes_long_is_finished_before_the_next(proc: Proc) -> None:
    for pid in range(1, 10):
        proc.process(pid)
    search = proc.search()

    search.begin(None, [], now=0.0)
    search.go_on(2.5)

    assert not search.is_ready(1e9)
    assert search.go_on(ENOUGH)
    assert search.is_ready(1e9)


def test_the_dearer_a_look_was_the_longer_it_is_to_the_next(proc: Proc) -> None:
    """In whatever portions it was taken; what is done between them does not count."""
    for pid in range(1, 30):
        proc.process(pid)
    clock = ticking(0.01)
    search = ClosedSearch(proc.root, clock)

    search.begin(None, [], now=100.0)
    assert portions(search, 0.065)[0] > 3

    spent = clock()
    assert not search.is_ready(100.0 + 0.7 * spent / SHARE)
    assert search.is_ready(100.0 + spent / SHARE)


def test_without_proc_there_is_nobody_to_look_into(tmp_path: Path) -> None:
    assert look(None, proc=tmp_path / "none") == Look({}, {})
    assert look([1], proc=tmp_path / "none") == Look({}, {})
