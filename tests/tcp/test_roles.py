import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.tcp.limits import DEFAULT_EPHEMERAL
from exporter.tcp.namespaces import OWN
from exporter.tcp.roles import DIALLED, FIRST_LISTENING, UNDECIDED, HostRoles, Roles, wire
from exporter.tcp.sockets import Service

EPHEMERAL = range(32768, 61000)
PORT = st.integers(0, 65535)
RANGES = st.tuples(PORT, PORT).map(lambda ends: range(min(ends), max(ends) + 1))


def kind(roles: Roles, local: int) -> int:
    [found] = roles.kinds([wire(local)])
    return found


@pytest.mark.parametrize(
    ("local", "remote", "expected"),
    [
        pytest.param(8080, 40000, Service("server", 8080), id="the local port listens"),
        pytest.param(50051, 40000, Service("server", 50051), id="it listens inside the ephemeral range"),
        pytest.param(8080, 9090, Service("server", 8080), id="it listens, and the peer's port is low too"),
        pytest.param(9090, 40000, Service("server", 9090), id="nobody listens any more: the server has just died"),
        pytest.param(40000, 443, Service("client", 443), id="dialled from here"),
        pytest.param(40000, 50052, Service("client", 50052), id="dialled to a service inside the range"),
        pytest.param(40000, 8080, Service("client", 8080), id="the other end of a loopback connection"),
        pytest.param(700, 443, Service("client", 443), id="dialled from a port that the program chose"),
    ],
)
def test_the_two_ports_tell_the_role(local: int, remote: int, expected: Service) -> None:
    assert Roles([8080, 50051], EPHEMERAL).service(local, remote) == expected


@given(st.lists(PORT, max_size=400, unique=True), RANGES, PORT, PORT)
def test_the_table_of_kinds_never_contradicts_the_two_ports(
    listening: list[int], ephemeral: range, local: int, remote: int
) -> None:
    """However many listen: a kind either says what the ports say, or that they have to be looked at."""
    roles = Roles(listening, ephemeral)
    found = kind(roles, local)

    if found >= FIRST_LISTENING:
        assert roles.service(local, remote) == Service("server", roles.listening_port(found)) == ("server", local, OWN)
    elif found == DIALLED:
        assert local in ephemeral
        assert local not in listening
        assert roles.service(local, remote) == Service("client", remote)
    else:
        assert found == UNDECIDED
        assert local not in ephemeral or local in listening


@given(st.lists(PORT, max_size=10), RANGES, st.lists(PORT, max_size=10))
def test_a_column_of_ports_has_the_kind_of_each(listening: list[int], ephemeral: range, ports: list[int]) -> None:
    roles = Roles(listening, ephemeral)

    assert list(roles.kinds(map(wire, ports))) == [kind(roles, port) for port in ports]


def test_the_busiest_listening_ports_get_the_kinds_there_are() -> None:
    roles = Roles(range(1, 1001), EPHEMERAL)

    assert [kind(roles, port) for port in (1, 254, 255, 1000)] == [FIRST_LISTENING, 255, UNDECIDED, UNDECIDED]


def test_a_port_that_several_workers_listen_on_is_one_port() -> None:
    roles = Roles([8080, 8080, 9090], EPHEMERAL)

    assert roles.listening == {8080, 9090}
    assert [roles.listening_port(kind(roles, port)) for port in (8080, 9090)] == [8080, 9090]


def test_listening_ports_of_one_reading_are_forgotten_by_the_next() -> None:
    """The table while nobody listens is shared."""
    Roles([50051], EPHEMERAL)

    assert kind(Roles([], EPHEMERAL), 50051) == DIALLED


@given(PORT)
def test_network_order_turned_twice_is_the_port(port: int) -> None:
    assert wire(wire(port)) == port


POD = 4026532001


def test_services_of_a_namespace_have_its_number() -> None:
    roles = Roles([8080], EPHEMERAL, POD)

    assert [roles.service(*ports) for ports in ((8080, 40000), (9090, 40000), (40000, 443))] == [
        Service("server", 8080, POD),
        Service("server", 9090, POD),
        Service("client", 443, POD),
    ]


def host(own: Roles, pod: Roles) -> HostRoles:
    return HostRoles({OWN: own, POD: pod})


def test_ports_that_have_begun_or_ceased_to_be_a_services_in_any_namespace_are_told() -> None:
    before = host(Roles([80, 81], EPHEMERAL), Roles([80, 90], EPHEMERAL, POD))
    after = host(Roles([80, 82], EPHEMERAL), Roles([80, 90], EPHEMERAL, POD))

    assert after.follow(before) == (frozenset({81, 82}), False)
    assert host(Roles([80, 82], EPHEMERAL), Roles([90], EPHEMERAL, POD)).follow(after) == (frozenset({80}), False)


def test_another_ephemeral_range_in_any_namespace_is_told() -> None:
    before = host(Roles([80], EPHEMERAL), Roles([80], EPHEMERAL, POD))

    assert host(Roles([80], EPHEMERAL), Roles([80], range(1024, 65536), POD)).follow(before) == (frozenset(), True)


def test_a_namespace_that_is_new_changes_nothing_for_the_sockets_that_are_known() -> None:
    before = HostRoles({OWN: Roles([80], EPHEMERAL)})

    assert host(Roles([80], EPHEMERAL), Roles([90], range(1024, 65536), POD)).follow(before) == (frozenset(), False)


def test_what_becomes_known_of_a_namespace_that_came_while_the_tables_were_read_is_a_change() -> None:
    """Its sockets were told by their ports alone."""
    before = HostRoles({OWN: Roles([80], EPHEMERAL)})
    assert before.of(POD).service(50051, 40000) == Service("client", 40000, POD)

    after = host(Roles([80], EPHEMERAL), Roles([50051], DEFAULT_EPHEMERAL, POD))

    assert after.follow(before) == (frozenset({50051}), False)
