"""Real sockets in real network namespaces, read one namespace after the other."""

import errno
import logging
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.decode.inet_diag import Rows
from exporter.errors import Interrupted, ReadFailed
from exporter.kernel import every_namespace
from exporter.kernel.entering import entered
from exporter.kernel.every_namespace import EveryNamespace
from exporter.kernel.namespaces import Namespaces
from exporter.tcp.limits import ELSEWHERE
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import Asked, Batch, Bulk, Watched
from exporter.tcp.states import State
from tests.kernel.readings import Taken
from tests.lab.daemon import ROOT, WITHOUT_CAPABILITIES
from tests.lab.netns import Namespace, Pair
from tests.lab.witness import by_state, wait_for, wait_for_value

pytestmark = pytest.mark.kernel

NOWHERE = Path("/nowhere")
PORT = 7000


def number(place: Namespace) -> int:
    return Path(f"/run/netns/{place.name}").stat().st_ino


def of_thread() -> int:
    return Path("/proc/thread-self/ns/net").stat().st_ino


def number_of(pid: int) -> int:
    return Path(f"/proc/{pid}/ns/net").stat().st_ino


def only(pids: Mapping[int, int]) -> Namespaces:
    """Those alone in which these processes are, by number: the machine has others, which come and go."""
    return Namespaces(named=NOWHERE, members=lambda: {netns: [pid] for netns, pid in pids.items()})


@contextmanager
def process(*command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """One that is there until the end."""
    with subprocess.Popen(command) as started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def inhabited(*places: Namespace) -> Iterator[Namespaces]:
    """The *places*, with a process in each."""
    with ExitStack() as kept:
        pids = {}
        for place in places:
            pid = kept.enter_context(process(*place.command("sleep", "1000"))).pid
            wait_for_value(lambda pid=pid: number_of(pid), number(place), "it is in there")  # type: ignore[misc]
            pids[number(place)] = pid
        yield only(pids)


@dataclass
class Alone:
    """A namespace that is there for as long as its only process, and one end of a cable to another."""

    process: "subprocess.Popen[bytes]"
    number: int
    peer: Namespace

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def is_there(self) -> bool:
        """The kernel ends the other side of the cable with it, and not before nothing at all leads to it any more."""
        return "cable" in self.peer.run("ip", "-o", "link")


@contextmanager
def alone(peer: Namespace) -> Iterator[Alone]:
    with process("unshare", "--net", "sleep", "1000") as started:
        wait_for(lambda: number_of(started.pid) != number_of(os.getpid()), "it has left ours")
        link = ("ip", "link", "add", "cable", "type", "veth", "peer", "name", "there", "netns", str(started.pid))
        peer.run(*link)
        yield Alone(started, number_of(started.pid), peer)


@contextmanager
def connections(pair: Pair, held: int, half_closed: int) -> Iterator[None]:
    """From *a* to *b*: some that both hold, some that *a* has closed one side of, and one that is over."""
    with ExitStack() as kept:
        with pair.b.entered():
            listening = kept.enter_context(socket.create_server(("10.99.0.2", PORT)))
        for at in range(held + half_closed + 1):
            with pair.a.entered():
                client = kept.enter_context(socket.create_connection(("10.99.0.2", PORT)))
            server = kept.enter_context(listening.accept()[0])
            if at >= held:
                client.shutdown(socket.SHUT_WR)
                assert server.recv(1) == b""
            if at == held + half_closed:
                server.close()
                assert client.recv(1) == b""
        yield


def take(source: EveryNamespace, now: float = 0.0) -> Taken:
    with source.reading(Asked(now)) as reading:
        return Taken(reading, list(reading.batches))


def counts(taken: Taken, netns: int) -> Counter[State]:
    """The sockets of one namespace by state."""
    found = Counter(State.LISTEN for one in taken.listeners if one.netns == netns)
    for batch in taken.batches:
        match batch:
            case Bulk(state, _, sockets, there) if there == netns:
                found[state] += sockets
            case Watched(Rows() as rows, _, there) if there == netns:
                found.update(taken.reading.socket(key).state for key in Rows.keys(rows))
    return found


def of(batch: Batch) -> int:
    assert isinstance(batch, Bulk | Watched)
    return batch.netns


Make = Callable[[Namespaces | None], EveryNamespace]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes sources that are closed after the test; of all namespaces of the machine, if none are given."""
    with ExitStack() as kept:
        yield lambda namespaces: kept.enter_context(closing(EveryNamespace(namespaces)))


def test_the_counts_of_each_namespace_are_what_ss_shows_there(make: Make, pair: Pair) -> None:
    with connections(pair, held=5, half_closed=3), inhabited(pair.a, pair.b) as namespaces:
        taken = take(make(namespaces))

        for place in (pair.a, pair.b):
            assert counts(taken, number(place)) == by_state(place)
        assert counts(taken, number(pair.a)) == {State.ESTABLISHED: 5, State.FIN_WAIT2: 3, State.TIME_WAIT: 1}
        assert counts(taken, number(pair.b)) == {State.LISTEN: 1, State.ESTABLISHED: 5, State.CLOSE_WAIT: 3}
    assert taken.reading.elsewhere.keys() == {number(pair.a), number(pair.b)}
    assert taken.reading.namespaces_missed == 0


def test_one_that_only_a_file_leads_to_is_read_too(host: Namespace, make: Make) -> None:
    with host.entered():
        listening = socket.create_server(("127.0.0.1", PORT))
    with listening:
        taken = take(make(None))

    assert [one.port for one in taken.listeners if one.netns == number(host)] == [PORT]


def test_our_own_is_read_once_and_under_no_number(make: Make, pair: Pair) -> None:
    """Whoever is in it: the one that this thread is in, at the time."""
    with connections(pair, held=2, half_closed=1), pair.b.entered(), inhabited(pair.a, pair.b) as namespaces:
        source = make(namespaces)
        taken = take(source)

    assert {of(batch) for batch in taken.batches} | {one.netns for one in taken.listeners} == {OWN, number(pair.a)}
    assert counts(taken, OWN) == {State.LISTEN: 1, State.ESTABLISHED: 2, State.CLOSE_WAIT: 1}


def test_watched_sockets_know_their_namespace(make: Make, pair: Pair) -> None:
    with connections(pair, held=1, half_closed=2), inhabited(pair.a, pair.b) as namespaces:
        watched = take(make(namespaces)).watched

    assert Counter((one.netns, one.state) for one in watched if one.netns != OWN) == {
        (number(pair.a), State.FIN_WAIT2): 2,
        (number(pair.b), State.CLOSE_WAIT): 2,
    }


def test_the_limits_of_each_namespace_are_its_own(make: Make, pair: Pair) -> None:
    pair.a.sysctl("net.ipv4.ip_local_port_range", "40000 40099")
    with inhabited(pair.a, pair.b) as namespaces:
        elsewhere = take(make(namespaces)).reading.elsewhere

    assert elsewhere[number(pair.a)].ephemeral == range(40000, 40100)
    assert elsewhere[number(pair.b)].ephemeral != range(40000, 40100)
    assert elsewhere[number(pair.a)].values.keys() == set(ELSEWHERE)


def test_one_that_goes_between_the_look_and_the_dump_is_left_out_with_all_its_sockets(make: Make, pair: Pair) -> None:
    with connections(pair, held=1, half_closed=1), alone(pair.b) as passing, inhabited(pair.a) as others:
        there = {**others._members(), passing.number: [passing.process.pid]}
        source = make(Namespaces(named=NOWHERE, members=lambda: there))
        with source.reading() as reading:
            assert passing.number in reading.elsewhere
            passing.end()
            taken = Taken(reading, list(reading.batches))

        assert counts(taken, number(pair.a)) == by_state(pair.a)
    assert counts(taken, passing.number) == {}


def test_one_that_has_gone_before_the_look_is_not_missed(
    make: Make, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    with alone(pair.b) as passing, inhabited(pair.a) as others:
        there = {**others._members(), passing.number: [passing.process.pid]}
        passing.end()
        reading = take(make(Namespaces(named=NOWHERE, members=lambda: there))).reading

    assert reading.elsewhere.keys() == {number(pair.a)}
    assert reading.namespaces_missed == 0
    assert caplog.messages == []


def test_no_namespace_is_kept_by_having_been_read(make: Make, host: Namespace) -> None:
    with alone(host) as passing:
        source = make(only({passing.number: passing.process.pid}))
        for now in (0.0, 5.0):
            assert passing.number in take(source, now).reading.elsewhere
        assert passing.is_there

        passing.end()

        wait_for(lambda: not passing.is_there, "the kernel has taken it down")


def test_a_reading_that_is_given_up_half_way_keeps_no_namespace(make: Make, host: Namespace) -> None:
    """Its netlink socket would."""
    with alone(host) as passing:
        source = make(only({passing.number: passing.process.pid}))
        with pytest.raises(Interrupted), source.reading() as reading:
            raise_after(reading.batches, passing.number)

        passing.end()

        wait_for(lambda: not passing.is_there, "the kernel has taken it down")


def raise_after(batches: Iterator[Batch], netns: int) -> None:
    """Fail with the first batch of the namespace; or at the end, if it has none."""
    for batch in batches:
        if of(batch) == netns:
            break
    raise Interrupted("changed")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_descriptors_do_not_grow_and_the_thread_stays_where_it_was(make: Make, pair: Pair) -> None:
    before, here = descriptors(), number_of(os.getpid())
    with connections(pair, held=1, half_closed=1), inhabited(pair.a, pair.b) as namespaces:
        source = make(namespaces)
        take(source)
        during = descriptors()
        for now in range(1, 20):
            take(source, float(now))

            assert descriptors() == during
            assert of_thread() == here
        source.close()
    assert descriptors() == before


def test_those_that_cannot_be_entered_are_counted_as_missed_and_what_hides_is_said_once(host: Namespace) -> None:
    """A user without privileges sees by the files in /run/netns that there are some."""
    code = f"""
import logging
from exporter.kernel.every_namespace import EveryNamespace
from exporter.tcp.reading import Asked

logging.basicConfig(format="%(message)s")
source = EveryNamespace()
for now in (0.0, 5.0):
    with source.reading(Asked(now)) as reading:
        list(reading.batches)
        print({number(host)} in reading.elsewhere, len(reading.elsewhere), reading.namespaces_missed > 0)
"""
    command = [*WITHOUT_CAPABILITIES, sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "False 0 True\n" * 2
    missed, hidden = done.stderr.splitlines()
    assert missed.endswith("network namespaces cannot be entered, which takes CAP_SYS_ADMIN and CAP_SYS_PTRACE")
    assert hidden.endswith("are not even seen, which takes CAP_SYS_PTRACE")


class Refusing(Namespaces):
    """Finds one that cannot be opened."""

    def __init__(self, number: int) -> None:
        super().__init__(named=NOWHERE, members=lambda: {4026532999: [1]})
        self._errno = number

    def open(self, number: int) -> int:
        raise OSError(self._errno, os.strerror(self._errno), str(number))


def test_where_no_descriptor_is_left_the_sample_fails_and_no_namespace_seems_empty(make: Make) -> None:
    with pytest.raises(ReadFailed, match="cannot enter network namespace 4026532999: Too many open files"):
        take(make(Refusing(errno.EMFILE)))


@pytest.mark.parametrize(
    ("number", "missed"), [(errno.EACCES, 1), (errno.EPERM, 1), (errno.ENOENT, 0), (errno.ESRCH, 0)]
)
def test_only_those_are_missed_that_are_there(make: Make, number: int, missed: int) -> None:
    reading = take(make(Refusing(number))).reading

    assert (reading.elsewhere, reading.namespaces_missed) == ({}, missed)


def test_where_there_are_many_it_is_said_once_that_there_is_a_cheaper_way(
    make: Make, pair: Pair, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(every_namespace, "MANY", 2)
    with inhabited(pair.a, pair.b) as namespaces:
        source = make(namespaces)
        with caplog.at_level(logging.WARNING):
            take(source)
            take(source, 5.0)

    [said] = caplog.messages
    assert said.startswith("2 network namespaces are read one by one")


def test_of_more_than_are_asked_the_rest_is_left_out(make: Make, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(every_namespace, "ASKED", 1)
    with inhabited(pair.a, pair.b) as namespaces:
        reading = take(make(namespaces)).reading

    assert len(reading.elsewhere) == 1


def test_only_the_thread_that_enters_a_namespace_is_in_there(host: Namespace) -> None:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(of_thread()))
    here = number_of(os.getpid())
    descriptor = os.open(f"/run/netns/{host.name}", os.O_RDONLY)
    try:
        with entered(descriptor):
            seen.append(of_thread())
    finally:
        os.close(descriptor)
    thread.start()
    thread.join()

    assert seen == [number(host), here]
