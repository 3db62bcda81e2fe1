from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.inet_diag import Rows
from exporter.tcp.columns import Decoded
from exporter.tcp.reading import Columns
from exporter.tcp.roles import DIALLED, Roles
from exporter.tcp.sockets import PORTS, ROLES, Service, Socket
from exporter.tcp.states import State
from exporter.tcp.tally import Destinations, LocalPorts, Tally, dialled
from tests.decode.messages import MINI, about, stream

HOST = Roles([8080, 50051, *range(2000, 2400)], range(32768, 61000))
PORT = st.sampled_from([0, 80, 443, 700, 2000, 2399, 8080, 40000, 40001, 50051, 60999, 61000, 65535])
SOCKETS = st.lists(st.tuples(PORT, PORT), max_size=60)
Form = Callable[[Iterable[tuple[int, int]]], Columns]
CHUNK = 1000
"""Sockets that come together."""


def rows(sockets: Iterable[tuple[int, int]]) -> Rows:
    """As the netlink source gives them."""
    return Rows(124, stream(about(1, *ports) for ports in sockets))


def decoded(sockets: Iterable[tuple[int, int]]) -> Decoded:
    """As the other sources give them."""
    return Decoded([Socket(State.ESTABLISHED, *ports, bytes(32)) for ports in sockets])


def counted(*some: Columns) -> Tally:
    tally = Tally(HOST)
    for columns in some:
        tally.add(columns, HOST.kinds(columns.local_ports()))
    return tally


def services(tally: Tally) -> Counter[Service]:
    """Sockets by service, without the zeros."""
    ports = tally.ports()
    return +Counter({Service(role, port): number for role in ROLES for port, number in ports[role].items()})


def take(found: Destinations | LocalPorts, columns: Columns) -> None:
    chosen = dialled(HOST.kinds(columns.local_ports()))
    if chosen is not None:
        found.add(columns, chosen)


def to(*some: Columns) -> Destinations:
    found = Destinations()
    for columns in some:
        take(found, columns)
    return found


@pytest.mark.parametrize("form", [rows, decoded])
@given(SOCKETS)
def test_columns_are_counted_as_one_by_one(form: Form, sockets: list[tuple[int, int]]) -> None:
    by_column, one_by_one = counted(form(sockets)), Tally(HOST)

    for ports in sockets:
        one_by_one.count(HOST.service(*ports), 1)

    assert services(by_column) == services(one_by_one) == Counter(HOST.service(*ports) for ports in sockets)
    assert services(by_column).total() == len(sockets)


@given(SOCKETS, SOCKETS)
def test_columns_add_up(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    assert services(counted(rows(first), decoded(second))) == services(counted(rows(first + second)))


@given(st.lists(st.tuples(st.sampled_from([1, 6, 8]), PORT, PORT), max_size=60))
def test_only_sockets_that_have_the_state_are_counted(sockets: list[tuple[int, int, int]]) -> None:
    some = Rows(124, stream(about(*one) for one in sockets)).having(frozenset({1}))

    expected = [(local, remote) for state, local, remote in sockets if state == 1]
    kinds = HOST.kinds(decoded(expected).local_ports())
    assert services(counted(some)) == Counter(HOST.service(*ports) for ports in expected)
    assert to(some)._sockets.total() == kinds.count(DIALLED)


def test_what_a_source_has_counted_by_itself_is_added() -> None:
    tally = counted(rows([(8080, 40000), (40000, 443)]))

    for service, number in ((Service("server", 8080), 5), (Service("client", 443), 7)):
        tally.count(service, number)

    assert services(tally) == {Service("server", 8080): 6, Service("client", 443): 8}


def test_ports_can_be_asked_for_again() -> None:
    tally = counted(rows([(8080, 40000), (40000, 443)]))

    assert tally.ports() == tally.ports() == {"server": {8080: 1}, "client": {443: 1}}


def test_every_remote_port_there_is_is_counted() -> None:
    """A scanner talks to all of them."""
    tally = counted(decoded((40000, remote) for remote in range(PORTS)), decoded([(40000, 443)]))

    assert tally.ports()["client"] == {remote: 2 if remote == 443 else 1 for remote in range(PORTS)}


def address(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_destinations_differ_by_remote_port_and_by_both_addresses() -> None:
    found = Destinations()
    for number in (1, 2):
        messages = [about(1, local, remote, address=address(number)) for local, remote in [(40000, 443)] * 2]
        columns = Rows(124, stream([*messages, about(1, 40001, 80, address=address(number))]))
        take(found, columns)

    assert sorted(found._sockets.values()) == [1, 1, 2, 2]
    assert found.busiest == 2


def test_a_destination_is_the_same_for_sockets_of_any_state() -> None:
    """They are described in messages of different lengths, and each uses a port up."""
    established, time_wait = about(1, 40000, 443), about(6, 40001, 443, attributes=MINI)

    assert to(Rows(124, established), Rows(96, time_wait)).busiest == 2


def test_sockets_whose_port_was_not_chosen_by_the_kernel_do_not_use_up_destinations() -> None:
    found = to(rows([(8080, 40000), (700, 443)]))

    assert not found._sockets
    assert found.busiest == 0


def clients(numbers: Iterable[int]) -> Iterator[Decoded]:
    """Connections from here, each to the destination with that number."""
    sockets = [Socket(State.ESTABLISHED, 40000, 443, address(number) * 2) for number in numbers]
    yield from (Decoded(sockets[at : at + CHUNK]) for at in range(0, len(sockets), CHUNK))


def test_the_busiest_destination_is_exact_as_long_as_there_are_not_too_many() -> None:
    """Also where it has been met once by the time that the last one comes."""
    others = range(1, 2 * Destinations.MOST)

    assert to(*clients([*others, 0]), *clients([0]), *clients([0])).busiest == 3


def test_many_destinations_take_bounded_memory_and_the_busiest_stays_known() -> None:
    """A crawler talks to any number of hosts, and to one of them all the time."""
    found, peers = Destinations(), 5 * Destinations.MOST
    for columns in clients(number for peer in range(1, peers + 1) for number in (peer, 0)):
        take(found, columns)
        assert len(found._sockets) <= 2 * Destinations.MOST

    assert found.busiest == peers


def test_where_all_destinations_are_busy_the_busiest_are_kept() -> None:
    found, peers = Destinations(), 3 * Destinations.MOST
    for columns in clients(number for peer in range(1, peers + 1) for number in (peer, peer, 0)):
        take(found, columns)
        assert len(found._sockets) <= 2 * Destinations.MOST

    assert found.busiest == peers


def test_where_each_destination_is_met_once_the_busiest_has_one_socket() -> None:
    assert to(*clients(range(2 * Destinations.MOST + 1))).busiest == 1


def test_many_destinations_lose_no_socket_of_a_port() -> None:
    peers = 3 * Destinations.MOST

    assert services(counted(*clients(range(peers)))) == {Service("client", 443): peers}


def test_a_local_address_runs_out_of_ports_and_not_of_sockets() -> None:
    """Two connections may leave from one port, if they go to different destinations."""
    sockets = [
        Socket(State.ESTABLISHED, local, remote, address(here) + address(9))
        for here, local, remote in [(1, 40000, 443), (1, 40000, 80), (1, 40001, 443), (2, 40000, 443), (2, 8080, 41000)]
    ]
    ports, destinations = LocalPorts(), Destinations()
    for form in (Decoded(sockets[:3]), Decoded(sockets[3:])):
        take(ports, form)
        take(destinations, form)

    assert (ports.busiest_address, destinations.busiest_address) == (2, 3)
    assert LocalPorts().busiest_address == Destinations().busiest_address == 0


def test_ports_of_any_number_of_addresses_take_bounded_memory() -> None:
    found = LocalPorts()
    sockets = [
        Socket(State.ESTABLISHED, 40000 + number % 2, 443, address(number // 2) + address(9))
        for number in range(4 * LocalPorts.ADDRESSES)
    ]
    take(found, Decoded(sockets))

    assert len(found._used) == LocalPorts.ADDRESSES
    assert found.busiest_address == 2


def test_the_ends_of_columns_are_those_of_sockets() -> None:
    message, socket = about(1, 40000, 443, address=address(7)), Socket(State.ESTABLISHED, 40000, 443, address(7) * 2)
    form = Rows(124, message)

    assert list(form.local_ends(b"\1")) == list(Decoded([socket]).local_ends(b"\1"))


def test_sockets_of_forgotten_destinations_still_count_for_their_address() -> None:
    peers = 3 * Destinations.MOST
    found = Destinations()
    for columns in clients(range(peers)):
        take(found, columns)
    same = [Socket(State.ESTABLISHED, 40000, 443, address(0) + address(number)) for number in range(peers)]
    for at in range(0, peers, CHUNK):
        take(found, Decoded(same[at : at + CHUNK]))

    assert found.busiest_address == peers + 1
