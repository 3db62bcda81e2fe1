"""Local ports that several share: a service's, or the kernel's choice."""

from collections.abc import Iterable

from exporter.tcp.columns import Decoded
from exporter.tcp.roles import Roles
from exporter.tcp.shared_ports import FEW, SharedPorts
from exporter.tcp.sockets import Socket
from exporter.tcp.states import State

WIDE = Roles([8443], range(1024, 65536))


def services(pairs: Iterable[tuple[int, int]]) -> frozenset[int]:
    sockets = Decoded([Socket(State.CLOSE_WAIT, local, remote, bytes(32)) for local, remote in pairs])
    found = SharedPorts()
    found.add(sockets, WIDE.kinds(sockets.local_ports()))
    return found.services()


def test_a_local_port_that_several_clients_share_is_a_services() -> None:
    assert services([(8080, 40000 + number) for number in range(60)]) == {8080}
    assert services([(8080, 40000), (8080, 40001), (8080, 61000)]) == {8080}


def test_two_are_not_enough() -> None:
    assert services([(8080, 40000), (8080, 40001)]) == frozenset()


def test_where_more_share_the_remote_port_it_was_dialled() -> None:
    """The kernel gives one local port to connections that go to different hosts."""
    dialled = [(50000 + number % 20, 443) for number in range(100)]

    assert services(dialled) == frozenset()


def test_one_peer_that_comes_again_and_again_from_one_port_is_not_several() -> None:
    assert services([(8080, 40000)] * 5) == frozenset()


def test_a_service_stands_out_where_the_kernel_shares_out_its_ports() -> None:
    """A host with more connections to as many ports as it has local ones."""
    crowded = [(20000 + number, 1024 + (7 * number + turn) % 60000) for number in range(2 * FEW) for turn in range(3)]

    assert services(crowded) == frozenset()
    assert services([*crowded, *((8080, 61000 + number) for number in range(30))]) == {8080}


def test_ports_that_are_known_to_be_services_are_not_looked_at() -> None:
    assert services([(8443, 40000 + number) for number in range(60)]) == frozenset()
