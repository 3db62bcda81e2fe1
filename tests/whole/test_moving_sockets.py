"""Half-closed connections that still carry data, and those that do not, as the exporter judges them."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from exporter.count.rules import PortRules, StuckRules
from exporter.count.stuck import WatchedCount
from exporter.sampling.sample import Sampling
from exporter.settings.config import Config
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from exporter.tcp.verdicts import CLOSE, NOTHING, RECEIVES, SENDS
from tests.lab.answers import for_a_while
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

PORT = 8080
SECONDS = 3.0
"""Longer than a busy machine lets a thread wait."""
AFTER = {State.FIN_WAIT2: SECONDS, State.CLOSE_WAIT: SECONDS}
SERVER, CLIENT = (Row("", role, str(PORT)) for role in ("server", "client"))


@contextmanager
def half_closed(host: Namespace) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client that has shut down its side, and a server that has read the end and may go on sending."""
    with ExitStack() as kept:
        with host.entered():
            listening = kept.enter_context(socket.create_server(("127.0.0.1", PORT)))
            client = kept.enter_context(socket.create_connection(("127.0.0.1", PORT)))
        server = kept.enter_context(listening.accept()[0])
        client.shutdown(socket.SHUT_WR)
        assert server.recv(1) == b""
        yield client, server


@contextmanager
def streaming(server: socket.socket, client: socket.socket) -> Iterator[None]:
    """A backup: a few bytes every tenth of a second."""
    done = threading.Event()

    def stream() -> None:
        with suppress(OSError):
            while not done.wait(0.1):
                server.send(b"some of it")
                client.recv(100)

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def judged(sampling: Sampling) -> tuple[WatchedCount, WatchedCount]:
    """The client's FIN_WAIT2 and the server's CLOSE_WAIT."""
    watched = sampling.take().census.stuck.watched
    return watched[CLIENT][State.FIN_WAIT2], watched[SERVER][State.CLOSE_WAIT]


@pytest.fixture
def sampling(host: Namespace) -> Iterator[Sampling]:
    with host.entered():
        ports = PortRules(server=frozenset({PORT}), client=frozenset({PORT}))
        found = Sampling(Config(source="sock_diag", ports=ports, stuck=StuckRules(AFTER)))
        found.take()  # opens its netlink socket here
    yield found
    found.close()


def test_a_stream_is_not_stuck_however_long_it_is_half_closed(host: Namespace, sampling: Sampling) -> None:
    with half_closed(host) as (client, server), streaming(server, client):
        judged(sampling)
        seen = [judged(sampling) for _ in for_a_while(SECONDS + 1.5)]

    assert {(of_client.stuck, of_server.stuck) for of_client, of_server in seen} == {(0, 0)}
    of_client, of_server = seen[-1]
    assert (of_client.verdicts, of_server.verdicts) == ({RECEIVES: 1}, {SENDS: 1})
    assert of_client.oldest_age > SECONDS


def test_one_that_does_not_move_is_stuck(host: Namespace, sampling: Sampling) -> None:
    with half_closed(host):
        judged(sampling)
        wait_for(lambda: [end.stuck for end in judged(sampling)] == [1, 1], "both ends are stuck")
        of_client, of_server = judged(sampling)

    assert (of_client.stuck, of_client.stuck_verdicts) == (1, {NOTHING: 1})
    assert of_server.stuck_verdicts == {CLOSE: 1}


def test_a_stream_that_stops_is_stuck_after_the_threshold(
    host: Namespace, sampling: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.count.moving.CHECK_SECONDS", 0.3)
    with half_closed(host) as (client, server):
        judged(sampling)
        with streaming(server, client):
            time.sleep(SECONDS + 0.5)
            assert judged(sampling)[1].stuck == 0
        stopped = time.monotonic()
        wait_for(lambda: judged(sampling)[1].stuck == 1, "the stream that stopped is stuck")

    assert time.monotonic() - stopped > SECONDS - 0.2
