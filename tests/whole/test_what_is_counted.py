"""What other people's programs do with sockets, and the numbers that are told of it."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from exporter.count.census import Census
from exporter.count.rules import PortRules, StuckRules
from exporter.sampling.sample import Sampling
from exporter.settings.config import Config
from exporter.tcp.sockets import Row
from exporter.tcp.states import WATCHED, State
from tests.lab.netns import Namespace
from tests.lab.witness import by_state, wait_for

pytestmark = pytest.mark.kernel

AFTER = dict.fromkeys(WATCHED, 1.0)
SERVER = Row("", "server", "8080")


class Host:
    """A host that is sampled when somebody asks, by *source*."""

    def __init__(self, place: Namespace, kept: ExitStack, source: str) -> None:
        self.place, self.kept = place, kept
        with place.entered():
            ports = PortRules(server=frozenset({8080}))
            self.sampling = Sampling(Config(source=source, ports=ports, stuck=StuckRules(AFTER)))
        kept.callback(self.sampling.close)

    def census(self) -> Census:
        with self.place.entered():
            return self.sampling.take().census

    def listen(self, port: int, address: str = "127.0.0.1", backlog: int = 128) -> socket.socket:
        with self.place.entered():
            return self.kept.enter_context(socket.create_server((address, port), backlog=backlog))

    def dial(self, port: int, address: str = "127.0.0.1", local: tuple[str, int] | None = None) -> socket.socket:
        with self.place.entered():
            return self.kept.enter_context(socket.create_connection((address, port), source_address=local))

    def accepted(self, listening: socket.socket) -> socket.socket:
        return self.kept.enter_context(listening.accept()[0])


@pytest.fixture(params=["sock_diag", "procfs"])
def sampled(request: pytest.FixtureRequest, host: Namespace) -> Iterator[Host]:
    with ExitStack() as kept:
        yield Host(host, kept, request.param)


@pytest.mark.parametrize("sampled", ["sock_diag"], indirect=True)
def test_requests_that_were_answered_wait_for_data_and_are_not_stuck(sampled: Host) -> None:
    """TCP_DEFER_ACCEPT leaves them in SYN_RECV; a backlog is of those that were not answered. /proc does not tell."""
    listening = sampled.listen(8080)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
    for _ in range(3):
        sampled.dial(8080)

    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        time.sleep(0.3)
        found = sampled.census()
        assert found.sockets[SERVER][State.SYN_RECV] == 3
        assert found.stuck.watched[SERVER][State.SYN_RECV].stuck == 0


def test_requests_that_nobody_answers_are_stuck(sampled: Host) -> None:
    sampled.listen(8080)
    with sampled.place.entered():
        client = sampled.kept.enter_context(socket.socket())
        client.setblocking(False)
        sampled.place.drop_input("tcp flags & (syn|ack) == ack")
        assert client.connect_ex(("127.0.0.1", 8080)) != 0

    def is_stuck() -> bool:
        return sampled.census().stuck.watched[SERVER][State.SYN_RECV].stuck == 1

    wait_for(is_stuck, "the request is stuck")


def test_who_binds_before_connecting_runs_out_of_ports_of_an_address(sampled: Host) -> None:
    """Whatever the destinations: here there are two, with half of them each."""
    sampled.place.sysctl("net.ipv4.ip_local_port_range", "40000 40099")
    listening = [sampled.listen(8080), sampled.listen(8081)]
    used = 0
    while True:
        try:
            sampled.dial(8080 + used % 2, local=("127.0.0.1", 0))
        except OSError:
            break
        sampled.accepted(listening[used % 2])
        used += 1

    found = sampled.census()
    assert used >= 99
    assert found.own.busiest_address == used
    assert found.own.busiest_destination <= used / 2 + 1


def test_the_oldest_unaccepted_connection_has_an_age_of_its_own(sampled: Host) -> None:
    """One that was accepted long ago and is held says nothing of a server that accepts."""
    listening = sampled.listen(8080)
    held = sampled.dial(8080)
    sampled.accepted(listening).settimeout(1)
    held.shutdown(socket.SHUT_WR)
    sampled.census()
    time.sleep(1.2)
    later = time.monotonic()
    gone = sampled.dial(8080)
    gone.send(b"x")
    gone.shutdown(socket.SHUT_WR)
    wait_for(lambda: sampled.census().total(State.CLOSE_WAIT) == 2, "both are half-closed")

    found = sampled.census().stuck
    since = time.monotonic() - later
    assert found.watched[SERVER][State.CLOSE_WAIT].oldest_age >= 1.2
    assert 0 <= found.unaccepted[SERVER] <= since


def test_who_dials_from_a_reserved_port_is_no_server(sampled: Host) -> None:
    """NFS and RPC do, to ports that lie in the ephemeral range."""
    listening = sampled.listen(50049)
    for port in range(700, 703):
        sampled.dial(50049, local=("127.0.0.1", port))
        sampled.accepted(listening)

    ports = {(row.role, row.port) for row, counts in sampled.census().sockets.items() if counts[State.ESTABLISHED]}
    assert ports == {("server", "50049"), ("client", "50049")}


def test_in_a_wide_range_a_leak_stays_its_services_after_a_restart(sampled: Host) -> None:
    sampled.place.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
    listening = sampled.listen(9090)
    for _ in range(20):
        client = sampled.dial(9090)
        server = sampled.accepted(listening)
        client.shutdown(socket.SHUT_WR)
        assert server.recv(1) == b""
    listening.close()

    with ExitStack() as kept:
        again = Host(sampled.place, kept, "sock_diag")
        again.census()
        found = again.census()

    row = Row("", "server", "9090")
    assert found.sockets[row][State.CLOSE_WAIT] == 20


@pytest.mark.parametrize("sampled", ["sock_diag"], indirect=True)
def test_what_is_stuck_of_mptcp_connections_is_stuck_and_sockets_are_what_ss_shows(sampled: Host) -> None:
    """Go's servers speak it by default. The subflows stay established."""
    with sampled.place.entered():
        made = [sampled.kept.enter_context(socket.socket(proto=socket.IPPROTO_MPTCP)) for _ in range(4)]
    listening, *clients = made
    listening.bind(("127.0.0.1", 8080))
    listening.listen()
    for client in clients:
        client.connect(("127.0.0.1", 8080))
        server = sampled.accepted(listening)
        client.shutdown(socket.SHUT_WR)
        assert server.recv(1) == b""

    def are_stuck() -> bool:
        return sampled.census().stuck.watched[SERVER][State.CLOSE_WAIT].stuck == len(clients)

    wait_for(are_stuck, "the connections are stuck")
    found = sampled.census()
    seen = by_state(sampled.place)
    assert {state: found.total(state) for state in State} == {state: seen[state] for state in State}
    assert found.sockets[SERVER][State.ESTABLISHED] == len(clients)
    assert State.CLOSE_WAIT in found.shown[SERVER]
