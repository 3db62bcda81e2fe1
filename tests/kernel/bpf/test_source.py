"""The source that counts inside the kernel, beside sock_diag: the same of the same sockets."""

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from exporter.kernel.bpf.source import Bpf
from exporter.kernel.sock_diag import SockDiag
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import Asked, Batch, Counts, Kept
from exporter.tcp.sockets import Origin, Socket
from exporter.tcp.states import SILENT, State
from tests.kernel.bpf.told import Told, origins, roomy, told
from tests.lab import netns, recipes
from tests.lab.netns import Namespace, Pair
from tests.lab.recipes import EVERY, FAMILIES, Family, Recipe
from tests.lab.witness import mini_sockets, wait_for

pytestmark = pytest.mark.kernel

COUNT = 5


@pytest.fixture(scope="module")
def everywhere() -> Iterator[Bpf]:
    """Loaded once: it can be read from any namespace."""
    source = Bpf(everywhere=True)
    yield source
    source.close()


@pytest.fixture(scope="module")
def own() -> Iterator[Bpf]:
    source = Bpf(everywhere=False)
    yield source
    source.close()


def number(place: Namespace) -> int:
    return Path("/run/netns", place.name).stat().st_ino


def by_sock_diag(place: Namespace) -> Told:
    with place.entered(), closing(SockDiag()) as source:
        return told(source)


def by(source: Bpf, place: Namespace, netns: int = OWN) -> Told:
    """From within the *place*."""
    with place.entered():
        return told(source, netns)


TRIES = 100
Look = Callable[[], Told]


def undisturbed(expected: Look, looks: Sequence[Look]) -> tuple[Told, Sequence[Told]]:
    """What is *expected*, and what *looks* have seen while nothing moved: sockets may be sending, and answering."""
    for _ in range(TRIES):
        before, found, after = expected(), [look() for look in looks], expected()
        if before == after:
            return before, found
    raise AssertionError("sockets have not come to rest")


@pytest.mark.parametrize("family", FAMILIES)
def test_where_there_is_room_for_all_everything_is_told_from_outside_too(
    family: Family, pair: Pair, everywhere: Bpf
) -> None:
    with recipes.established_client(pair, family, COUNT):
        expected = by_sock_diag(pair.a)

        wait_for(lambda: told(everywhere, number(pair.a)) == expected, "others leave room", seconds=60)
        assert expected.destinations.total() == expected.ports_in_use == len(expected.pairs) == COUNT


@pytest.mark.parametrize(("make", "family"), EVERY)
def test_what_is_told_of_our_own_namespace_and_of_another_is_what_sock_diag_tells_there(
    make: Recipe, family: Family, pair: Pair, everywhere: Bpf, own: Bpf
) -> None:
    with make(pair, family, COUNT) as scene:
        for place in (pair.a, pair.b):
            expected, (alone, outside, within) = undisturbed(
                partial(by_sock_diag, place),
                [partial(by, own, place), partial(told, everywhere, number(place)), partial(by, everywhere, place)],
            )

            assert alone == expected
            assert roomy(outside) == roomy(within) == roomy(expected)
            if place == scene.place:
                assert told_in(expected, scene.state) == scene.count


OF_EACH_KIND = (
    recipes.listening_with_a_queue,
    recipes.established_server,
    recipes.syn_recv,
    recipes.fin_wait2_mini,
    recipes.time_wait_client,
    recipes.close_wait_held,
)


@pytest.fixture
def apart(host: Namespace) -> Iterator[Pair]:
    """Two hosts whose sockets stand in tables of their own, of few buckets."""
    host.sysctl("net.ipv4.tcp_child_ehash_entries", 16)
    with host.entered(), netns.pair() as made:
        assert made.a.run("sysctl", "-n", "net.ipv4.tcp_ehash_entries").strip() == "16"
        yield made


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("make", OF_EACH_KIND)
def test_namespaces_with_tables_of_their_own_are_told_from_within_from_outside_and_from_each_other(
    make: Recipe, family: Family, apart: Pair, everywhere: Bpf, own: Bpf
) -> None:
    with make(apart, family, COUNT) as scene:
        for place, other in ((apart.a, apart.b), (apart.b, apart.a)):
            expected, (alone, *found) = undisturbed(
                partial(by_sock_diag, place),
                [
                    partial(by, own, place),
                    partial(by, everywhere, place),
                    partial(told, everywhere, number(place)),
                    partial(by, everywhere, other, number(place)),
                ],
            )

            assert alone == expected
            assert [roomy(one) for one in found] == [roomy(expected)] * 3
            if place == scene.place:
                assert told_in(expected, scene.state) == scene.count


def test_from_within_a_namespace_with_a_table_of_its_own_those_that_share_one_are_told(
    apart: Pair, pair: Pair, everywhere: Bpf
) -> None:
    with recipes.established_client(pair, "4", COUNT):
        expected, [found] = undisturbed(
            partial(by_sock_diag, pair.a), [partial(by, everywhere, apart.a, number(pair.a))]
        )

    assert roomy(found) == roomy(expected)
    assert expected.sockets.total() == COUNT


def test_a_namespace_that_lives_through_a_socket_alone_is_told(everywhere: Bpf) -> None:
    with netns.namespace() as place:
        inode = number(place)
        with place.entered():
            listening = socket.create_server(("127.0.0.1", 7000))
            client = socket.create_connection(("127.0.0.1", 7000))
            client.shutdown(socket.SHUT_WR)
    with listening, client:
        found = told(everywhere, inode)

        assert [one.port for one in found.listeners] == [7000]
        assert {(one.state, one.local_port) for one in found.watched} >= {(State.CLOSE_WAIT, 7000)}
        with everywhere.reading() as reading:
            assert inode in reading.elsewhere


def test_a_namespace_that_is_gone_is_told_no_more(everywhere: Bpf) -> None:
    with netns.namespace() as place:
        inode = number(place)
        with everywhere.reading() as reading:
            assert inode in reading.elsewhere

    def is_gone() -> bool:
        with everywhere.reading() as reading:
            return inode not in reading.elsewhere

    wait_for(is_gone, "the namespace is gone")
    assert told(everywhere, inode) == Told(Counter(), Counter(), Counter(), Counter(), 0, Counter())


def test_limits_of_other_namespaces_are_told(everywhere: Bpf, pair: Pair) -> None:
    pair.a.sysctl("net.ipv4.ip_local_port_range", "20000 30000")
    pair.b.sysctl("net.ipv4.tcp_max_tw_buckets", 4711)

    with everywhere.reading() as reading:
        first, second = (reading.elsewhere[number(place)] for place in (pair.a, pair.b))

        assert first.ephemeral == range(20000, 30001)
        assert second.values == {"time_wait_limit": 4711}
        assert reading.namespaces_missed == 0
        assert OWN not in reading.elsewhere
        assert Path("/proc/self/ns/net").stat().st_ino not in reading.elsewhere


def test_of_our_own_namespace_alone_nothing_else_is_told(own: Bpf, pair: Pair) -> None:
    with recipes.close_wait_held(pair, "4", COUNT), own.reading() as reading:
        batches = list(reading.batches)

    assert reading.elsewhere == {}
    assert reading.namespaces_missed is None
    sockets = [reading.socket(key) for batch in batches for key in rows_of(batch)]
    assert {one.netns for one in sockets} | {one.netns for one in reading.listeners} <= {OWN}
    assert {batch.netns for batch in batches if isinstance(batch, Counts)} <= {OWN}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("make", [recipes.close_wait_unread, recipes.fin_wait2_held, recipes.fin_wait1_held])
def test_where_sockets_come_from_and_since_when_they_are_silent_is_what_sock_diag_tells(
    make: Recipe, family: Family, pair: Pair, everywhere: Bpf
) -> None:
    with make(pair, family, COUNT) as scene:
        time.sleep(0.5)
        with scene.place.entered(), closing(SockDiag()) as source:
            same: AbstractSet[Socket] = set()
            while len(same) < COUNT:  # what is sent again is another row
                before, found, after = (origins(each) for each in (source, everywhere, source))
                same = before.keys() & after.keys()

    assert same <= found.keys()
    for one in same:
        assert found[one].cgroup_id == before[one].cgroup_id > 0
        if one.state in SILENT:
            assert before[one].silence - 0.1 <= found[one].silence <= after[one].silence + 0.1
            assert idle(before[one]) - 0.1 <= idle(found[one]) <= idle(after[one]) + 0.1
            assert found[one].silence > 0.3


def idle(origin: Origin) -> float:
    assert origin.idle is not None
    return origin.idle


def test_a_socket_that_has_not_changed_has_the_same_key_whoever_looks_at_it(pair: Pair, everywhere: Bpf) -> None:
    """A dump by sock_diag gives it a cookie."""
    with recipes.close_wait_held(pair, "4", COUNT):
        first = keys(everywhere, pair.b)
        time.sleep(0.1)
        by_sock_diag(pair.b)
        second = keys(everywhere, pair.b)

    assert len(first) == COUNT
    assert first == second


def keys(source: Bpf, place: Namespace) -> set[bytes]:
    inode = number(place)
    with source.reading() as reading:
        rows = [key for batch in reading.batches for key in rows_of(batch)]
        return {key for key in rows if reading.socket(key).netns == inode}


def test_a_socket_keeps_its_identity_from_close_wait_to_the_last_ack(pair: Pair, everywhere: Bpf) -> None:
    stage = recipes.Stage(pair, "4")
    clients, servers = stage.connect(COUNT)
    with closing(stage):
        for client in clients:
            client.shutdown(socket.SHUT_WR)
        stage.settle(pair.b, State.CLOSE_WAIT, COUNT)
        before = identities(everywhere, pair.b, State.CLOSE_WAIT)
        pair.a.drop_input("meta l4proto tcp")
        for server in servers:
            server.send(b"more")
            server.close()
        stage.settle(pair.b, State.LAST_ACK, COUNT)
        after = identities(everywhere, pair.b, State.LAST_ACK)

    assert len(before) == COUNT
    assert before == after


def test_a_socket_keeps_its_identity_from_the_first_fin_to_the_mini_socket(pair: Pair, everywhere: Bpf) -> None:
    stage = recipes.Stage(pair, "6")
    clients, _servers = stage.connect(COUNT)
    with closing(stage):
        pair.b.drop_input("meta l4proto tcp")
        for client in clients:
            client.shutdown(socket.SHUT_WR)
        stage.settle(pair.a, State.FIN_WAIT1, COUNT)
        first = identities(everywhere, pair.a, State.FIN_WAIT1)
        pair.b.flush_input()
        stage.settle(pair.a, State.FIN_WAIT2, COUNT)
        second = identities(everywhere, pair.a, State.FIN_WAIT2)
        for client in clients:
            client.close()
        wait_for(lambda: mini_sockets(pair.a) == COUNT, "they are mini-sockets")
        third = identities(everywhere, pair.a, State.FIN_WAIT2)

    assert len(first) == COUNT
    assert first == second == third


def identities(source: Bpf, place: Namespace, state: State) -> set[bytes]:
    inode = number(place)
    with source.reading() as reading:
        sockets = [reading.socket(key) for batch in reading.batches for key in rows_of(batch)]
        return {one.identity for one in sockets if one.netns == inode and one.state is state}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_service_that_has_died_keeps_its_sockets(family: Family, pair: Pair, everywhere: Bpf) -> None:
    """Its port is in the ephemeral range, so the two ports of a socket say nothing."""
    port = 40000
    stage = recipes.Stage(pair, family)
    with closing(stage):
        listening = stage.listen(port)
        stage.dial(COUNT, port)
        accepted = [listening.accept()[0] for _ in range(COUNT)]
        listening.close()

        assert told(everywhere, number(pair.b), [port]).sockets == {(State.ESTABLISHED, "server", port): COUNT}
        assert told(everywhere, number(pair.b)).sockets.keys() & {(State.ESTABLISHED, "server", port)} == set()
        with pair.b.entered():
            assert told(everywhere, OWN, [port]).sockets == {(State.ESTABLISHED, "server", port): COUNT}
        for one in accepted:
            one.close()


def test_who_dials_from_a_reserved_port_is_no_server(host: Namespace, everywhere: Bpf) -> None:
    """As NFS does; nor is one that dials from another port to one that is not ephemeral."""
    with host.entered(), ExitStack() as kept:
        listening = kept.enter_context(socket.create_server(("127.0.0.1", 50000)))
        for port in (700, 1500):
            kept.enter_context(socket.create_connection(("127.0.0.1", 50000), source_address=("127.0.0.1", port)))
        for _ in range(2):
            kept.enter_context(listening.accept()[0])
        listening.close()
        expected, found = by_sock_diag(host), told(everywhere)

    assert roomy(found) == roomy(expected)
    assert found.sockets[State.ESTABLISHED, "client", 50000] == 1
    assert found.sockets[State.ESTABLISHED, "server", 1500] == 1


def test_mptcp_connections_that_are_half_closed_are_told_beside_their_subflows(
    host: Namespace, everywhere: Bpf, own: Bpf
) -> None:
    with host.entered(), ExitStack() as kept:
        pairs = [mptcp(kept, family) for family in (socket.AF_INET, socket.AF_INET6) for _ in range(3)]
        for client, _ in pairs[1:]:
            client.shutdown(socket.SHUT_WR)
        expected, found = undisturbed(partial(by_sock_diag, host), [partial(told, everywhere), partial(told, own)])

    assert [roomy(one) for one in found] == [roomy(expected)] * 2
    assert sum(one.is_mptcp for one in expected.watched) == 10


def mptcp(kept: ExitStack, family: socket.AddressFamily) -> tuple[socket.socket, socket.socket]:
    address = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.socket(family, proto=socket.IPPROTO_MPTCP) as listening:
        listening.bind((address, 0))
        listening.listen()
        client = kept.enter_context(socket.socket(family, proto=socket.IPPROTO_MPTCP))
        client.connect(listening.getsockname())
        return client, kept.enter_context(listening.accept()[0])


def descriptors() -> set[str]:
    return {file.name for file in Path("/proc/self/fd").iterdir()}


def test_close_leaves_neither_descriptor_nor_memory_and_the_source_can_be_read_anew() -> None:
    before, mapped = descriptors(), maps()
    source = Bpf(everywhere=True)
    take(source)
    assert descriptors() != before
    assert maps() > mapped

    source.close()

    assert descriptors() == before
    assert maps() == mapped
    take(source)
    source.close()
    assert descriptors() == before


def maps() -> int:
    return Path("/proc/self/maps").read_text().count("bpf-map")


def take(source: Bpf) -> None:
    with source.reading() as reading:
        for _ in reading.batches:
            pass


def test_a_reading_that_is_left_half_way_does_no_harm_to_the_next(pair: Pair, own: Bpf) -> None:
    with recipes.established_client(pair, "4", COUNT), pair.a.entered():
        expected = by_sock_diag(pair.a)
        with own.reading(Asked(pairs=True, ports_in_use=True)) as reading:
            next(iter(reading.batches), None)
        found = told(own)

    assert found == expected


def rows_of(batch: Batch) -> Sequence[bytes]:
    return batch.rows.keys() if isinstance(batch, Kept) else ()


def told_in(found: Told, state: State) -> int:
    counted = sum(count for (one, _, _), count in found.sockets.items() if one is state)
    return counted + sum(one.state is state for one in found.watched) + len(found.listeners) * (state is State.LISTEN)
