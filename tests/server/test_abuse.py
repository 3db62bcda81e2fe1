"""Clients that mean harm, or are just broken, on loopback and in bounded numbers."""

import errno
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import pytest

from exporter.server.connections import Bounds
from tests.lab.witness import wait_for
from tests.server.serving import Bytes, Serving, serving, site

BIG = Bytes(b"x" * 8_000_000)
HALF_A_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "
MANY = 500


def crowd(server: Serving, kept: ExitStack, beginning: bytes = b"", number: int = MANY) -> list[socket.socket]:
    """So many connections that have sent *beginning* and now say nothing."""
    sockets = []
    for _ in range(number):
        one = kept.enter_context(server.connect())
        if beginning:
            send(one, beginning)
        sockets.append(one)
    return sockets


def send(one: socket.socket, data: bytes) -> None:
    try:
        one.sendall(data)
    except OSError:
        """The server has thrown it out already, which is what it should do."""


@contextmanager
def trickling(sockets: list[socket.socket]) -> Iterator[None]:
    """Each socket sends a byte several times a second until the end of the block."""
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.2):
            for one in sockets:
                send(one, b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def are_closed(sockets: list[socket.socket]) -> bool:
    """Whether the server has closed every one of them."""
    return all(is_closed(one) for one in sockets)


def is_closed(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def usual_scrape(server: Serving, seconds: float) -> float:
    """How long a fresh client had to wait, the median of one after the other for so long."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        assert server.get()[0] == 200
        found.append(time.monotonic() - begun)
        time.sleep(0.05)
    return median(found)


@pytest.mark.parametrize("beginning", [b"", HALF_A_REQUEST], ids=["idle", "half a request"])
def test_hundreds_of_silent_clients_do_not_hold_up_a_scrape_and_are_thrown_out(beginning: bytes) -> None:
    with serving(site(Bytes())) as server, ExitStack() as kept:
        sockets = crowd(server, kept, beginning)

        assert usual_scrape(server, seconds=1.0) < 1.0
        wait_for(lambda: are_closed(sockets), "all silent clients are thrown out")


def test_hundreds_of_trickling_clients_do_not_hold_up_a_scrape_and_are_thrown_out() -> None:
    """A byte now and then is no progress: the header has to be complete in time."""
    with serving(site(Bytes())) as server, ExitStack() as kept:
        sockets = crowd(server, kept, HALF_A_REQUEST)
        with trickling(sockets):
            assert usual_scrape(server, seconds=1.0) < 1.0
            wait_for(lambda: are_closed(sockets), "all trickling clients are thrown out")


def test_a_newcomer_takes_the_place_of_who_has_asked_for_nothing_yet() -> None:
    """Prometheus, which scraped before and will again, keeps its connection through a flood."""
    with serving(site(Bytes()), Bounds(connections=8, request=30.0)) as server, ExitStack() as kept:
        prometheus = server.client()
        kept.callback(prometheus.close)
        prometheus.request("GET", "/metrics")
        prometheus.getresponse().read()
        port = prometheus.sock.getsockname()

        crowd(server, kept, number=100)
        prometheus.request("GET", "/metrics")

        assert prometheus.getresponse().read() == b"metric 1\n"
        assert prometheus.sock.getsockname() == port
        assert len(server.connections._clients) <= 8


def test_a_newcomer_has_time_to_ask_however_many_others_have_had_an_answer() -> None:
    """Whoever fills all places with answered connections would otherwise shut out everybody else by one more."""
    with serving(site(Bytes()), Bounds(connections=8, request=30.0)) as server, ExitStack() as kept:
        answered = crowd(server, kept, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n", number=8)
        for one in answered:
            assert one.recv(4096).startswith(b"HTTP/1.1 200")
        prometheus = kept.enter_context(server.connect())

        crowd(server, kept, number=3)
        prometheus.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")

        assert prometheus.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_body_that_nobody_asked_for_is_refused() -> None:
    with serving(site(Bytes())) as server:
        found = server.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")

    assert found.startswith(b"HTTP/1.1 400")


def memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_clients_that_do_not_read_cost_no_copy_of_the_answer_and_are_thrown_out() -> None:
    with serving(site(BIG)) as server, ExitStack() as kept:
        before = memory()
        sockets = [kept.enter_context(server.connect(receive_buffer=4096)) for _ in range(30)]
        for one in sockets:
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert usual_scrape(server, seconds=1.0) < 1.0

        assert memory() - before < 5 * len(BIG.body)
        wait_for(lambda: not server.connections.at_work(), "all slow readers are thrown out")


def test_the_end_lets_an_answer_under_way_arrive() -> None:
    with serving(site(BIG), drain_seconds=5.0) as server, server.connect(receive_buffer=4096) as one:
        one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = len(one.recv(4096))
        ending = threading.Thread(target=server.stop)
        ending.start()
        while chunk := one.recv(1 << 20):
            received += len(chunk)
        ending.join()

    assert received > len(BIG.body)


def test_the_end_lets_an_answer_be_rendered_and_turns_newcomers_away() -> None:
    slow = Bytes(cached=False)
    with serving(site(slow), drain_seconds=5.0) as server, server.connect() as one:
        one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(server.connections.at_work, "the answer is being rendered")
        ending = threading.Thread(target=server.stop)
        ending.start()
        wait_for(lambda: is_refused(server), "newcomers are turned away")
        slow.gate.set()
        ending.join()

        assert one.recv(4096).startswith(b"HTTP/1.1 200")


def is_refused(server: Serving) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", server.port)) == errno.ECONNREFUSED


def test_the_end_does_not_wait_for_a_client_that_never_reads() -> None:
    with (
        serving(site(BIG), Bounds(answer=60.0), drain_seconds=0.5) as server,
        server.connect(receive_buffer=4096) as one,
    ):
        one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(server.connections.at_work, "the answer is under way")
        begun = time.monotonic()
        server.stop()

        assert time.monotonic() - begun < 10  # and not the minute that the answer may take


def in_a_child(work: Callable[[], None]) -> int:
    """The exit status of a process that does *work*."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - whatever it is, the parent has to hear of it
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def test_with_few_descriptors_the_server_neither_spins_nor_refuses() -> None:
    """A server that accepts when it has no descriptor left fails again at once, for ever."""

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        with serving(site(Bytes()), Bounds(request=30.0)) as server, ExitStack() as kept:
            outside = os.fork()
            if outside == 0:
                resource.setrlimit(resource.RLIMIT_NOFILE, (1000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
                crowd(server, kept, number=300)
                time.sleep(30)
            time.sleep(1.0)
            before = time.process_time()
            worst = usual_scrape(server, seconds=1.0)
            busy = time.process_time() - before
            os.kill(outside, 9)
            os.waitpid(outside, 0)
            assert worst < 1.0
            assert busy < 0.5
            assert len(list(Path("/proc/self/fd").iterdir())) < 150

    assert in_a_child(work) == 0
