"""More than there is room for, tables that are as bad as can be, and sockets that come and go: what is told then."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from exporter.kernel.bpf.source import Bpf
from exporter.kernel.sock_diag import SockDiag
from exporter.tcp.reading import Asked, Counts
from exporter.tcp.states import State
from tests.kernel.bpf.told import Told, roomy, told
from tests.lab import netns, recipes
from tests.lab.leaks import leak
from tests.lab.netns import Namespace, Pair
from tests.lab.population import Population
from tests.lab.population_worker import CLIENT_PORTS
from tests.lab.witness import by_state

pytestmark = pytest.mark.kernel

ROWS = 16_384 - 1024
ESTABLISHED = State.ESTABLISHED


@pytest.fixture
def source() -> Iterator[Bpf]:
    with closing(Bpf(everywhere=True)) as made:
        yield made


@pytest.fixture
def alone() -> Iterator[Bpf]:
    """Of one namespace: no other takes its room."""
    with closing(Bpf(everywhere=False)) as made:
        yield made


def by(source: Bpf, place: Namespace) -> Told:
    with place.entered():
        return told(source)


def number(place: Namespace) -> int:
    return Path("/run/netns", place.name).stat().st_ino


def by_sock_diag(place: Namespace) -> Told:
    with place.entered(), closing(SockDiag()) as diag:
        return told(diag, ephemeral=CLIENT_PORTS)


def counts(source: Bpf) -> list[Counts]:
    with source.reading(Asked(pairs=True)) as reading:
        return [batch for batch in reading.batches if isinstance(batch, Counts)]


def test_what_has_no_row_is_counted_under_no_port_and_no_socket_is_lost(host: Namespace, alone: Bpf) -> None:
    ports = ROWS + 1500
    with Population(host, remote_ports=ports):
        first = by(alone, host).sockets
        again = by(alone, host).sockets

    for found in (first, again):
        assert sum(found.values()) == ports
        assert found[ESTABLISHED, "client", 0] >= 1500
        assert all(count == 1 for (_, _, port), count in found.items() if port)
    assert alone.lost == 0


def test_rows_of_ports_that_nobody_has_any_more_are_given_to_others(host: Namespace, alone: Bpf) -> None:
    with Population(host, remote_ports=ROWS + 10):
        assert by(alone, host).sockets[ESTABLISHED, "client", 0] >= 10

    with Population(host, established=400):
        expected, found = by_sock_diag(host), by(alone, host)

    assert found.sockets == expected.sockets


def test_a_busy_destination_is_found_among_more_than_can_be_told(host: Namespace, alone: Bpf) -> None:
    with Population(host, destinations=20_000, established=2000, ports=1):
        told_each = by_sock_diag(host), by(alone, host)

    expected, found = (sorted(one.destinations.values())[-2:] for one in told_each)
    assert min(expected) >= 400
    for right, one in zip(expected, found, strict=True):
        assert right <= one <= right + 20


@pytest.mark.parametrize("addresses", [64, 100])
def test_ports_are_counted_on_the_address_that_uses_most(addresses: int, host: Namespace, alone: Bpf) -> None:
    """Sockets that share a port on their way to several destinations take one. 64 addresses can be looked at."""
    with host.entered(), ExitStack() as kept:
        listening = [kept.enter_context(socket.create_server((f"127.9.9.{last}", 7000))) for last in (1, 2)]
        for block in range(addresses - 2):
            dial(kept, f"127.8.{block}.1", [listening[0]])
        for port in range(40000, 40030):
            dial(kept, "127.7.7.7", listening, port)
        in_use = [told(alone).ports_in_use for _ in range(2)]

    assert in_use[1] == 30
    assert in_use[0] == 30 if addresses == 64 else in_use[0] in {30, 60}


def dial(kept: ExitStack, local: str, listening: list[socket.socket], port: int = 0) -> None:
    for one in listening:
        client = kept.enter_context(socket.socket())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind((local, port))
        client.connect(one.getsockname())
        kept.enter_context(one.accept()[0])


def test_a_namespace_with_very_many_services_does_not_take_the_room_of_others(pair: Pair, source: Bpf) -> None:
    port = 40000
    stage = recipes.Stage(pair, "4")
    with closing(stage), ExitStack() as kept:
        listening = stage.listen(port)
        stage.dial(5, port)
        for _ in range(5):
            kept.enter_context(listening.accept()[0])
        listening.close()
        asked = Asked(services={number(pair.a): range(1, 30_000), number(pair.b): [port]})
        with source.reading(asked) as reading:
            batches = list(reading.batches)

    [found] = [batch for batch in batches if isinstance(batch, Counts) and batch.netns == number(pair.b)]
    assert found.sockets == {(ESTABLISHED, "server", port): 5}
    assert source.lost > 20_000


def test_too_many_pairs_of_one_namespace_do_not_take_those_of_another(pair: Pair, source: Bpf) -> None:
    with recipes.established_client(pair, "4", 5), Population(pair.a, remote_ports=2000):
        found = {one.netns: one.pairs for one in counts(source)}

    assert found[number(pair.a)] is None
    assert found[number(pair.b)] is not None


@pytest.fixture
def one_bucket(host: Namespace) -> Iterator[Namespace]:
    """A namespace all of whose sockets stand in one chain: anybody can make that."""
    host.sysctl("net.ipv4.tcp_child_ehash_entries", 1)
    with host.entered(), netns.namespace() as place:
        assert place.run("sysctl", "-n", "net.ipv4.tcp_ehash_entries").strip() == "1"
        yield place


def test_a_long_chain_is_left_and_gone_on_with_and_nothing_is_lost(one_bucket: Namespace, source: Bpf) -> None:
    with Population(one_bucket, established=3000, close_wait=300):
        expected = by_sock_diag(one_bucket)
        found = told(source, number(one_bucket))

    assert roomy(found) == roomy(expected)
    assert (source.strays, source.lost) == (0, 0)


def test_what_is_behind_the_longest_chain_is_given_up_and_said_to_be(one_bucket: Namespace, source: Bpf) -> None:
    sockets = 12_000
    with Population(one_bucket, established=sockets):
        [found] = [one for one in counts(source) if one.netns == number(one_bucket)]

    assert 1000 < sum(found.sockets.values()) < sockets
    assert source.lost >= 1


def test_sockets_that_stay_are_never_missed_while_others_come_and_go(host: Namespace, source: Bpf) -> None:
    stay = 2000
    with Population(host, established=stay, ports=1), leak(host, "churn", "churn", 7100, 2000):
        before = by_state(host)
        for _ in range(40):
            strays = source.strays
            found = told(source, number(host)).sockets
            assert source.strays > strays or found[ESTABLISHED, "server", 7000] == stay // 2
            assert source.strays > strays or found[ESTABLISHED, "client", 7000] == stay // 2
        assert by_state(host)[State.TIME_WAIT] > before[State.TIME_WAIT]
    assert source.strays < 4
    assert source.lost == 0
