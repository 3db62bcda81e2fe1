import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.tcp.roles import DIALLED, FIRST_LISTENING, UNDECIDED, Roles, wire
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
        assert roles.service(local, remote) == Service("server", roles.listening_port(found)) == ("server", local, "")
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
