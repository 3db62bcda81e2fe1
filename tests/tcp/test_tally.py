from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.inet_diag import Rows
from exporter.tcp import tally
from exporter.tcp.roles import Roles
from exporter.tcp.sockets import Service
from exporter.tcp.tally import Tally
from tests.decode.messages import about, stream

ROLES = Roles([8080, 50051, *range(2000, 2400)], range(32768, 61000))
PORTS = st.sampled_from([0, 80, 443, 700, 2000, 2399, 8080, 40000, 40001, 50051, 60999, 61000, 65535])
SOCKETS = st.lists(st.tuples(PORTS, PORTS), max_size=60)


def rows(sockets: list[tuple[int, int]]) -> Rows:
    return Rows(124, stream(about(1, *ports) for ports in sockets))


@given(SOCKETS)
def test_columns_are_counted_as_one_by_one(sockets: list[tuple[int, int]]) -> None:
    by_column, one_by_one = Tally(ROLES), Tally(ROLES)

    by_column.add(rows(sockets))
    for socket in rows(sockets).sockets():
        one_by_one.add_one(socket.local_port, socket.remote_port, socket.destination)

    assert by_column.endpoints() == one_by_one.endpoints() == Counter(ROLES.endpoint(*ports) for ports in sockets)
    assert by_column.destinations() == one_by_one.destinations()
    assert by_column.sockets() == len(sockets)


@given(st.lists(st.tuples(st.sampled_from([1, 6, 8]), PORTS, PORTS), max_size=60))
def test_only_sockets_that_have_the_state_are_counted(sockets: list[tuple[int, int, int]]) -> None:
    everything = Rows(124, stream(about(*one) for one in sockets))
    counted = Tally(ROLES)

    counted.add(everything.having(frozenset({1})))

    expected = [(local, remote) for state, local, remote in sockets if state == 1]
    assert counted.endpoints() == Counter(ROLES.endpoint(*ports) for ports in expected)
    assert counted.destinations().total() == sum(ROLES.dialled(local) for local, _ in expected)


def test_destinations_differ_by_remote_port_and_by_both_addresses() -> None:
    counted = Tally(ROLES)
    for address in (b"\x0a\0\0\1".ljust(16, b"\0"), b"\x0a\0\0\2".ljust(16, b"\0")):
        counted.add(Rows(124, about(1, 40000, 443, address=address) * 2 + about(1, 40001, 80, address=address)))

    assert sorted(counted.destinations().values()) == [1, 1, 2, 2]


def test_sockets_whose_port_was_not_chosen_by_the_kernel_do_not_use_up_destinations() -> None:
    counted = Tally(ROLES)
    counted.add(rows([(8080, 40000), (700, 443)]))

    assert not counted.destinations()


def test_many_destinations_take_bounded_memory_and_lose_no_socket() -> None:
    """A crawler talks to any number of hosts; the one it talks to most stays known."""
    counted = Tally(ROLES)
    busy = (443).to_bytes(2, "big") + b"busy"
    for number in range(5 * tally.DESTINATIONS):
        counted.add_one(40000, 443, (443).to_bytes(2, "big") + number.to_bytes(4, "big"))
        counted.add_one(40000, 443, busy)

    assert len(counted.destinations()) <= 2 * tally.DESTINATIONS
    assert counted.destinations()[busy] == 5 * tally.DESTINATIONS
    assert counted.endpoints() == {Service("client", 443): 10 * tally.DESTINATIONS}
