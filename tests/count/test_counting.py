"""Sockets of one reading as they are counted, batch by batch, in each network namespace."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from exporter.count.counting import NOTHING_ELSE, Besides, Count, are_ports_counted, traffic
from exporter.count.rules import StuckRules
from exporter.count.watched import Read, WatchedSockets
from exporter.tcp.columns import Decoded
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import Batch, Bulk, Counts, Kept, Watched
from exporter.tcp.roles import HostRoles, Roles
from exporter.tcp.sockets import Listener, Role, Service, Socket
from exporter.tcp.states import State
from exporter.tcp.tally import Ports
from tests.count.readings import EPHEMERAL, HERE, Everywhere, decoded

POD = 4026532001
WEB = Listener(8080, 0, 128)


def socket(  # noqa: PLR0913 - a socket has that many fields
    state: State, local: int, remote: int, netns: int = OWN, *, cookie: int = 0, inode: int | None = None
) -> Socket:
    return Socket(state, local, remote, HERE, cookie, inode=inode, netns=netns)


def established(*ports: tuple[int, int], netns: int = OWN) -> Bulk:
    rows = [socket(State.ESTABLISHED, *one, netns) for one in ports]
    return Bulk(State.ESTABLISHED, Decoded(rows), len(rows), netns)


def roles(listeners: Sequence[Listener]) -> HostRoles:
    def listening(netns: int) -> list[int]:
        return [one.port for one in listeners if one.netns == netns]

    return HostRoles({netns: Roles(listening(netns), EPHEMERAL, netns) for netns in (OWN, POD)})


def counted(
    *batches: Batch,
    listeners: Sequence[Listener] = (WEB,),
    besides: Besides = NOTHING_ELSE,
    watched: WatchedSockets | None = None,
) -> Count:
    """Of a complete reading."""
    memory = WatchedSockets() if watched is None else watched
    found = Count(roles(listeners), listeners, memory.seen(0.0), besides)
    for batch in batches:
        found.add(batch)
    memory.take_in(found.seen, Read(0.0, listeners, found.roles, StuckRules(), decoded))
    found.take_watched(memory.groups)
    return found


def sockets(count: Count, netns: int = OWN) -> Mapping[tuple[State, Role, int], int]:
    """Of one namespace by state, role and port, without the zeros."""
    by_state = count.of(netns).by_state()
    return {
        (state, role, port): number
        for state, ports in by_state.items()
        for role, found in ports.items()
        for port, number in found.items()
        if number
    }


def shared(count: Count) -> list[list[int]]:
    """Of our own namespace and of the other, the ports that are services' because they are shared."""
    return [sorted(count.of(netns).shared()) for netns in (OWN, POD)]


def test_one_port_in_two_namespaces_is_a_services_where_somebody_listens() -> None:
    """An ephemeral one, so that nothing else tells."""
    ends = [(50051, 40001), (50051, 40002)]
    found = counted(established(*ends), established(*ends, netns=POD), listeners=[Listener(50051, 0, 128, netns=POD)])

    assert sockets(found) == {(State.ESTABLISHED, "client", 40001): 1, (State.ESTABLISHED, "client", 40002): 1}
    assert sockets(found, POD) == {(State.LISTEN, "server", 50051): 1, (State.ESTABLISHED, "server", 50051): 2}


def test_watched_sockets_of_two_namespaces_are_counted_by_the_listeners_of_each() -> None:
    rows = {netns: [socket(State.CLOSE_WAIT, 50051, 40001, netns, cookie=1 + netns)] for netns in (OWN, POD)}
    found = counted(
        *(Watched(Everywhere(some), netns=netns) for netns, some in rows.items()),
        listeners=[Listener(50051, 0, 128, netns=POD)],
    )

    assert sockets(found) == {(State.CLOSE_WAIT, "client", 40001): 1}
    assert sockets(found, POD) == {(State.LISTEN, "server", 50051): 1, (State.CLOSE_WAIT, "server", 50051): 1}


def test_two_sockets_without_a_cookie_are_two_in_two_namespaces_though_all_else_is_alike() -> None:
    watched = WatchedSockets()
    rows = [socket(State.CLOSE_WAIT, 8080, 40001, netns) for netns in (OWN, POD)]
    found = counted(*(Watched(Everywhere([one]), netns=one.netns) for one in rows), watched=watched)

    assert len(watched) == 2
    assert (sockets(found)[State.CLOSE_WAIT, "server", 8080], sum(sockets(found, POD).values())) == (1, 1)


def test_a_namespace_of_which_nothing_is_known_is_counted_by_the_ports_alone() -> None:
    found = counted(established((40000, 443), (8080, 40000), netns=POD + 1))

    assert sockets(found, POD + 1) == {
        (State.ESTABLISHED, "client", 443): 1,
        (State.ESTABLISHED, "server", 8080): 1,
    }
    assert set(found.namespaces) == {OWN, POD + 1}


def test_what_the_source_has_counted_is_taken_as_it_is() -> None:
    """Whatever the roles say by now."""
    told: Mapping[tuple[State, Role, int], int] = {
        (State.ESTABLISHED, "server", 8080): 70_000,
        (State.TIME_WAIT, "client", 443): 3,
    }
    found = counted(Counts({(State.ESTABLISHED, "server", 9): 1}), Counts(told, POD), listeners=())

    assert sockets(found) == {(State.ESTABLISHED, "server", 9): 1}
    assert sockets(found, POD) == told


def test_what_is_counted_comes_beside_what_is_shown_and_in_several_parts() -> None:
    part = Counts({(State.ESTABLISHED, "server", 8080): 5}, POD)
    found = counted(part, established((8080, 40000), netns=POD), part)

    assert sockets(found, POD) == {(State.ESTABLISHED, "server", 8080): 11}


def test_destinations_and_ports_in_use_are_those_that_the_source_has_counted() -> None:
    first = Counts({}, POD, destinations={b"one": 3, b"two": 4}, ports_in_use=6)
    second = Counts({}, POD, destinations={b"one": 2}, ports_in_use=6)
    found = counted(first, second).of(POD)

    assert (found.busiest_destination, found.busiest_address) == (5, 6)


def test_where_ports_in_use_are_not_counted_the_sockets_of_an_address_are() -> None:
    here, there = b"\x01\xbb" + b"a" * 32, b"\x01\xbb" + b"b" * 32
    found = counted(Counts({}, POD, destinations={here: 3, there: 4})).of(POD)

    assert found.busiest_address == 4


def test_pairs_of_ports_tell_what_is_shared_if_that_is_looked_for() -> None:
    pairs = {(50051, 40000 + peer): 1 for peer in range(3)} | {(40000, 443): 1}
    looked = counted(Counts({}, POD, pairs=pairs), besides=Besides(shared=True))

    assert shared(looked) == [[], [50051]]
    assert counted(Counts({}, POD, pairs=pairs)).of(POD).shared() == set()
    assert counted(Counts({}, POD), besides=Besides(shared=True)).of(POD).shared() == set()


def test_shared_ports_busy_destinations_and_addresses_are_looked_for_in_each_namespace_by_itself() -> None:
    apart = [established((50051, 40000 + peer), netns=netns) for peer, netns in enumerate((OWN, OWN, POD, POD))]
    one = [established(*((50052, 40000 + peer) for peer in range(3)), netns=POD)]
    found = counted(*apart, *one, besides=Besides(shared=True, local_ports=True))

    assert shared(found) == [[], [50052]]
    assert (found.of(OWN).busiest_address, found.of(POD).busiest_address) == (1, 2)


def test_kept_rows_are_watched_and_their_ports_are_not_looked_at_again() -> None:
    rows = [socket(State.CLOSE_WAIT, 40000, 443, netns, cookie=1 + netns, inode=7) for netns in (OWN, POD)]
    watched = WatchedSockets()
    found = counted(
        Kept(Everywhere(rows)), Counts({}, POD, destinations={b"one": 1}), besides=Besides(shared=True), watched=watched
    )

    assert len(watched) == 2
    assert sockets(found, POD) == {(State.CLOSE_WAIT, "client", 443): 1}
    assert (found.of(OWN).busiest_destination, found.of(POD).busiest_destination) == (0, 1)


def test_inodes_that_are_not_shown_are_told_whatever_namespace_those_are_in_that_are() -> None:
    bulk = Bulk(State.ESTABLISHED, Decoded([socket(State.ESTABLISHED, 1, 2, POD, inode=11)]), 1, POD)
    watched = Watched(Everywhere([socket(State.CLOSE_WAIT, 1, 2, POD, inode=12)]), netns=POD)
    found = counted(
        bulk,
        watched,
        listeners=[Listener(80, 0, 1, inode=13, netns=POD)],
        besides=Besides(unseen=frozenset({11, 12, 13, 14})),
    )

    assert found.unseen == {14}


def test_connections_of_several_subflows_are_watched_and_not_counted() -> None:
    watched, row = WatchedSockets(), socket(State.FIN_WAIT2, 40000, 443, POD)
    memory = Watched(Everywhere([row]), are_mptcp=True, netns=POD)
    found = Count(roles(()), (), watched.seen(0.0))
    found.add(memory)
    read = Read(0.0, (), found.roles, StuckRules(), lambda key: decoded(key)._replace(is_mptcp=True))
    watched.take_in(found.seen, read)
    found.take_watched(watched.groups)

    assert len(watched) == 1
    assert sockets(found, POD) == {}
    assert POD in found.namespaces


def test_the_services_of_watched_sockets_have_the_number_of_their_namespace() -> None:
    watched, row = WatchedSockets(), socket(State.CLOSE_WAIT, 8080, 40000, POD)
    counted(Watched(Everywhere([row]), netns=POD), listeners=[WEB._replace(netns=POD)], watched=watched)

    assert [group.alike.service for group in watched.groups] == [Service("server", 8080, POD)]


def test_traffic_tells_all_sockets_the_stuck_ones_and_those_that_listen() -> None:
    found = counted(established((8080, 40000), (40000, 443), netns=POD), listeners=[WEB._replace(netns=POD)])
    stuck: Ports = {"server": Counter({8080: 1}), "client": Counter()}

    told = traffic(found.of(POD).by_state(), stuck)

    assert told.sockets == {"server": {8080: 2}, "client": {443: 1}}
    assert (told.stuck, told.listening, told.total, told.is_any_stuck) == (stuck, {8080: 1}, 3, True)


def test_without_a_socket_there_is_no_traffic() -> None:
    told = traffic({}, {"server": Counter(), "client": Counter()})

    assert (told.total, told.is_any_stuck, told.listening) == (0, False, {})


@pytest.mark.parametrize(
    ("in_use", "is_worth_it"), [(None, True), (2000, True), (2001, False), (13_999, False), (14_000, True)]
)
def test_local_ports_are_counted_while_few_are_in_use_and_when_half_are(
    in_use: int | None, *, is_worth_it: bool
) -> None:
    assert are_ports_counted(in_use, range(32_000, 60_000)) is is_worth_it
