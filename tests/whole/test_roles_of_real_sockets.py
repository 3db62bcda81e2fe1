"""Real connections in one host, as a census labels them: who serves, who dials, and who has just died."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from exporter.count.census import Census
from exporter.count.rules import PortRules
from exporter.count.services import KEPT_SECONDS
from exporter.kernel.sock_diag import SockDiag
from exporter.sampling.clocks import Clocks
from exporter.sampling.sample import Sampling
from exporter.settings.config import Config
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from tests.lab.netns import Namespace

pytestmark = pytest.mark.kernel


class World:
    """Servers and connections of a host, and what the exporter remembers of them."""

    def __init__(self, host: Namespace, kept: ExitStack) -> None:
        self._host, self._kept = host, kept
        self._now = 0.0
        self._sampling = Sampling(Config(), Clocks(monotonic=lambda: self._now), lambda *_: [SockDiag])
        kept.callback(self._sampling.close)
        self.servers: dict[int, socket.socket] = {}

    def follow(self, rules: PortRules) -> None:
        self._sampling.follow(Config(ports=rules))

    def listen(self, port: int) -> None:
        with self._host.entered():
            self.servers[port] = self._kept.enter_context(socket.create_server(("127.0.0.1", port)))

    def connect(self, port: int, times: int = 1) -> None:
        for _ in range(times):
            with self._host.entered():
                self._kept.enter_context(socket.create_connection(("127.0.0.1", port)))
            self._kept.enter_context(self.servers[port].accept()[0])

    def established(self, now: float = 0.0) -> dict[tuple[str, str], int]:
        """Established sockets by role and port, without the zeros."""
        counted = self.census(now).sockets.items()
        return {(row.role, row.port): counts[State.ESTABLISHED] for row, counts in counted if counts[State.ESTABLISHED]}

    def census(self, now: float = 0.0) -> Census:
        self._now = now
        with self._host.entered():
            return self._sampling.take().census


@pytest.fixture
def world(host: Namespace) -> Iterator[World]:
    with ExitStack() as kept:
        yield World(host, kept)


def test_a_loopback_connection_counts_once_for_each_end(world: World) -> None:
    world.listen(8080)
    world.connect(8080, times=4)

    assert world.established() == {("server", "8080"): 4, ("client", "8080"): 4}


def test_a_server_that_has_died_keeps_its_sockets(world: World) -> None:
    world.listen(8080)
    world.connect(8080, times=2)
    world.servers[8080].close()

    assert world.established() == {("server", "8080"): 2, ("client", "8080"): 2}


def test_a_server_inside_the_ephemeral_range_is_known_for_as_long_as_its_sockets_live(world: World) -> None:
    world.listen(50051)
    world.connect(50051, times=3)
    expected = {("server", "50051"): 3, ("client", "50051"): 3}

    assert world.established(now=0) == expected
    world.servers[50051].close()
    for now in (KEPT_SECONDS, KEPT_SECONDS + 1, 2 * KEPT_SECONDS, 3 * KEPT_SECONDS):
        assert world.established(now) == expected


def test_after_a_restart_who_shares_a_local_port_is_a_server_though_nobody_listens(world: World) -> None:
    world.listen(50051)
    world.connect(50051, times=60)
    world.servers[50051].close()

    world.established(now=0)
    assert world.established(now=5) == {("server", "50051"): 60, ("client", "50051"): 60}


def test_a_service_inside_the_ephemeral_range_needs_three_clients_for_a_label(world: World) -> None:
    world.listen(50051)
    world.connect(50051, times=2)
    assert world.established() == {("server", "50051"): 2, ("client", "other"): 2}

    world.connect(50051)
    assert world.established() == {("server", "50051"): 3, ("client", "50051"): 3}


def test_ports_beyond_the_places_share_a_label_and_are_counted(world: World) -> None:
    world.follow(PortRules(max=2))
    for port in (8001, 8002, 8003, 8004):
        world.listen(port)
    world.connect(8003, times=3)
    world.connect(8004, times=2)
    world.connect(8001)

    found = world.census()
    assert found.own.folded_ports == {"server": 2, "client": 1}
    assert world.established() == {
        ("server", "8003"): 3,
        ("server", "8004"): 2,
        ("server", "other"): 1,
        ("client", "8003"): 3,
        ("client", "8004"): 2,
        ("client", "other"): 1,
    }


def test_lists_of_ports_are_followed(world: World) -> None:
    world.follow(PortRules(listening=False, server=frozenset({8002, 9999}), client=frozenset({8001})))
    for port in (8001, 8002):
        world.listen(port)
        world.connect(port)

    assert world.established() == {
        ("server", "8002"): 1,
        ("server", "other"): 1,
        ("client", "8001"): 1,
        ("client", "other"): 1,
    }
    assert Row("", "server", "9999") in world.census().sockets


def test_the_accept_queue_and_its_limit_are_those_of_the_listener(world: World) -> None:
    world.listen(8080)
    world.servers[8080].listen(16)
    world.connect(8080)
    with world._host.entered():
        waiting = [world._kept.enter_context(socket.create_connection(("127.0.0.1", 8080))) for _ in range(5)]

    queue = world.census().accept_queues[Row("", "server", "8080")]
    assert (queue.queued, queue.limit) == (len(waiting), 16)


def test_the_busiest_destination_is_the_one_with_most_connections(world: World) -> None:
    for port in (8001, 8002):
        world.listen(port)
    world.connect(8001, times=3)
    world.connect(8002, times=7)

    assert world.census().own.busiest_destination == 7
