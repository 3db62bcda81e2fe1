import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.tcp.roles import DIALLED, FIRST_LISTENING, UNDECIDED, Roles, wire
from exporter.tcp.sockets import Service

EPHEMERAL = range(32768, 61000)
PORT = st.integers(0, 65535)


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
    assert Roles([8080, 50051], EPHEMERAL).endpoint(local, remote) == expected


@given(st.lists(PORT, max_size=400, unique=True), PORT, PORT)
def test_the_table_of_kinds_never_contradicts_the_two_ports(listening: list[int], local: int, remote: int) -> None:
    """However many listen: a kind either says what the ports say, or that they have to be looked at."""
    roles = Roles(listening, EPHEMERAL)
    kind = roles.kinds[wire(local)]

    if kind >= FIRST_LISTENING:
        assert roles.service(kind) == roles.endpoint(local, remote)
    elif kind == DIALLED:
        assert roles.dialled(local)
        assert roles.endpoint(local, remote) == Service("client", remote)
    else:
        assert kind == UNDECIDED
        assert not roles.dialled(local)


def test_the_busiest_listening_ports_get_the_kinds_there_are() -> None:
    roles = Roles(range(1, 1001), EPHEMERAL)

    assert [roles.kinds[wire(port)] for port in (1, 254, 255, 1000)] == [FIRST_LISTENING, 255, UNDECIDED, UNDECIDED]
