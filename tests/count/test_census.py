from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from exporter.count.census import AcceptQueue, Census, Memory, blank
from exporter.count.census import census as told
from exporter.count.counting import Count
from exporter.count.rules import NamespaceRules, PortRules, StuckRules
from exporter.count.stuck import Tell
from exporter.count.watched import Read
from exporter.tcp.limits import Limits
from exporter.tcp.namespaces import OURS, OWN, Namespace
from exporter.tcp.reading import Batch, Counts, Decode, Watched
from exporter.tcp.sockets import Listener, Row, Socket
from exporter.tcp.states import State
from tests.count.readings import Everywhere, decoded, everywhere

CONNECTED = [state for state in State if state is not State.LISTEN]
COOKIES = count(1)
POD, HOST = 4026534001, 4026534002
NAMES = {OWN: OURS, POD: Namespace(POD, "shop/web", "pod"), HOST: Namespace(HOST, "lab", "named")}
WEB, SERVERS, CLIENTS = Row("", "server", "8080"), Row("", "server", "other"), Row("", "client", "other")


def socket(state: State, local: int, remote: int, peer: bytes = b"peer", *, netns: int = OWN) -> Socket:
    return Socket(state, local, remote, peer.ljust(32, b"\0"), cookie=next(COOKIES), netns=netns)


def census(  # noqa: PLR0913 - all that a sample goes by
    sockets: Sequence[Socket] = (),
    listeners: Sequence[Listener] = (),
    rules: PortRules | None = None,
    more: Iterable[Batch] = (),
    *,
    memory: Memory | None = None,
    now: float = 0.0,
    limits: Limits = Limits(),  # noqa: B008 - a frozen value
    elsewhere: Mapping[int, Limits] | None = None,
    decode: Decode = decoded,
) -> Census:
    """Of one reading of *sockets*, and of what is in *more* batches; the first one if there is no *memory*.

    *limits* are our own namespace's; of each that there is *elsewhere*, by number, it has its own.
    """
    memory, bounds = memory or blank(rules or PortRules(), NamespaceRules()), {OWN: limits, **(elsewhere or {})}
    ephemeral = {netns: known.ephemeral for netns, known in bounds.items()}
    roles = memory.services.roles(listeners, ephemeral, frozenset(), now)
    counting = Count(roles, listeners, memory.watched.seen(now))
    for batch in (*everywhere(sockets), *more):
        counting.add(batch)
    memory.watched.take_in(counting.seen, Read(now, listeners, counting.roles, StuckRules(), decode))
    tell = Tell(now, StuckRules(), tells_verdicts=True, cgroups=lambda _: "", namespaces=NAMES)
    return told(counting, memory, bounds, tell)


def own_total(census: Census, state: State) -> int:
    """The sockets of our own namespace."""
    return sum(counts[state] for row, counts in census.sockets.items() if not row.netns)


@given(
    st.lists(st.tuples(st.sampled_from(CONNECTED), st.integers(1, 65535), st.integers(1, 65535)), max_size=40),
    st.lists(st.integers(1, 65535), max_size=10),
    st.integers(1, 3),
)
def test_every_socket_is_counted_exactly_once(
    sockets: list[tuple[State, int, int]], listening: list[int], places: int
) -> None:
    """Whatever the roles and however few labels there are, the sum over all ports is the number of sockets."""
    found = census(
        [socket(*one) for one in sockets], [Listener(port, 0, 1) for port in listening], PortRules(max=places)
    )

    expected = Counter(state for state, _, _ in sockets) + Counter({State.LISTEN: len(listening)})
    assert {state: found.total(state) for state in State if found.total(state)} == expected


def test_a_known_port_has_all_states_and_each_role_has_the_rest() -> None:
    found = census(listeners=[Listener(8080, 0, 128)])

    assert list(found.sockets) == [WEB, SERVERS, CLIENTS]
    assert all(list(counts) == list(State) for counts in found.sockets.values())
    assert sum(sum(counts.values()) for counts in found.sockets.values()) == 1


def test_a_port_is_shown_with_the_states_that_it_has_and_the_rest_with_all() -> None:
    found = census([socket(State.CLOSE_WAIT, 8080, 40000)], [Listener(8080, 0, 128)])

    assert found.shown == {WEB: {State.LISTEN, State.CLOSE_WAIT}, SERVERS: set(State), CLIENTS: set(State)}


def test_a_state_that_a_port_had_is_shown_for_ten_minutes() -> None:
    memory, listeners = blank(PortRules(), NamespaceRules()), [Listener(8080, 0, 128)]
    census([socket(State.CLOSE_WAIT, 8080, 40000)], listeners, memory=memory)

    found = [census([], listeners, memory=memory, now=now).shown[WEB] for now in (5.0, 600.0, 605.0)]

    assert found == [{State.LISTEN, State.CLOSE_WAIT}, {State.LISTEN, State.CLOSE_WAIT}, {State.LISTEN}]


def test_a_state_that_only_a_connection_of_several_subflows_is_in_is_shown() -> None:
    """It can be stuck there, while its subflows are established."""
    found = census(
        [socket(State.ESTABLISHED, 8080, 40000), socket(State.FIN_WAIT2, 8080, 40000)],
        [Listener(8080, 0, 128)],
        decode=lambda key: decoded(key)._replace(is_mptcp=True),
    )

    assert found.sockets[WEB][State.FIN_WAIT2] == 0
    assert found.shown[WEB] == {State.LISTEN, State.ESTABLISHED, State.FIN_WAIT2}


def test_both_ends_of_a_loopback_connection_count_once_each() -> None:
    found = census(
        [socket(State.ESTABLISHED, 8080, 40000), socket(State.ESTABLISHED, 40000, 8080)], [Listener(8080, 0, 128)]
    )

    assert found.sockets[WEB][State.ESTABLISHED] == 1
    assert found.sockets[WEB._replace(role="client")][State.ESTABLISHED] == 1


def test_the_fullest_queue_speaks_for_workers_that_share_a_port() -> None:
    """Fifteen empty queues do not help the clients of the sixteenth."""
    found = census(listeners=[Listener(80, 3, 4096), Listener(80, 127, 128), Listener(80, 0, 128)])

    assert found.accept_queues == {WEB._replace(port="80"): AcceptQueue(127, 128)}


def test_a_source_that_does_not_know_queues_gives_none() -> None:
    assert census(listeners=[Listener(80, None, None)]).accept_queues == {}


def test_a_queue_without_a_known_limit_is_still_a_queue() -> None:
    assert census(listeners=[Listener(80, 7, None)]).accept_queues == {WEB._replace(port="80"): AcceptQueue(7, None)}


def test_ports_that_found_no_place_are_counted() -> None:
    found = census(listeners=[Listener(port, 0, 128) for port in range(1, 8)], rules=PortRules(max=3))

    assert found.own.folded_ports == {"server": 4, "client": 0}
    assert found.sockets[SERVERS][State.LISTEN] == 4


def test_the_busiest_destination_is_counted_over_all_states() -> None:
    found = census(
        [
            *(socket(State.ESTABLISHED, 40000 + index, 443, b"one") for index in range(3)),
            *(socket(State.TIME_WAIT, 41000 + index, 443, b"one") for index in range(4)),
            socket(State.SYN_SENT, 42000, 443, b"one"),
            *(socket(State.ESTABLISHED, 43000 + index, 443, b"two") for index in range(5)),
        ]
    )

    assert found.own.busiest_destination == 8


def test_a_socket_that_comes_twice_is_counted_once() -> None:
    """A socket that changes its place in the table while that is walked can be met again."""
    one = socket(State.CLOSE_WAIT, 80, 40000)

    found = census([one, one, socket(State.CLOSE_WAIT, 80, 40001)])

    assert found.total(State.CLOSE_WAIT) == 2
    assert found.stuck.tracked == 2


def test_what_a_source_has_counted_by_itself_counts_beside_the_rest() -> None:
    counts = Counts({(State.ESTABLISHED, "server", 8080): 70_000, (State.CLOSE, "client", 443): 1})

    found = census([socket(State.ESTABLISHED, 8080, 40000)], [Listener(8080, 0, 128)], more=[counts])

    assert found.sockets[WEB][State.ESTABLISHED] == 70_001
    assert found.sockets[Row("", "client", "443")][State.CLOSE] == 1


def test_a_busy_remote_port_is_told_apart_from_any_number_of_others() -> None:
    """A scan of all ports from here, and a database beside it."""
    found = census(
        [
            *(socket(State.ESTABLISHED, 40000, port) for port in range(1, 2000)),
            *(socket(State.ESTABLISHED, 40001, 5432) for _ in range(9)),
        ],
        rules=PortRules(max=3),
    )

    assert found.sockets[Row("", "client", "5432")][State.ESTABLISHED] == 9
    assert found.sockets[CLIENTS][State.ESTABLISHED] == 1997
    assert found.own.folded_ports == {"server": 0, "client": 1997}


def there(state: State, local: int, remote: int, netns: int = POD) -> Socket:
    return socket(state, local, remote, netns=netns)


POD_WEB = Row("shop/web", "server", "8080")
OTHERS = Row("other", "server", "other"), Row("other", "client", "other")


def few(most: int) -> Memory:
    """Of an exporter that tells so many namespaces besides its own by name."""
    return blank(PortRules(), NamespaceRules("all", most))


def test_one_port_in_two_namespaces_is_two_rows() -> None:
    found = census(
        [socket(State.ESTABLISHED, 8080, 40000), *(there(State.ESTABLISHED, 8080, port) for port in (40000, 40001))],
        [Listener(8080, 0, 128), Listener(8080, 0, 128, netns=POD)],
        elsewhere={POD: Limits()},
    )

    assert [found.sockets[row][State.ESTABLISHED] for row in (WEB, POD_WEB)] == [1, 2]
    assert [found.sockets[row][State.LISTEN] for row in (WEB, POD_WEB)] == [1, 1]
    assert (found.total(State.ESTABLISHED), own_total(found, State.ESTABLISHED)) == (3, 1)
    assert found.namespaces == 2


def test_each_namespace_has_its_own_rows_and_the_rest_of_each_role() -> None:
    found = census(
        [there(State.TIME_WAIT, 40000, 5432), there(State.TIME_WAIT, 8080, 40000, HOST)],
        [Listener(8080, 0, 128, netns=HOST)],
        elsewhere={POD: Limits(), HOST: Limits()},
    )

    assert list(found.sockets) == [
        SERVERS,
        CLIENTS,
        Row("shop/web", "server", "other"),
        Row("shop/web", "client", "5432"),
        Row("shop/web", "client", "other"),
        Row("lab", "server", "8080"),
        Row("lab", "server", "other"),
        Row("lab", "client", "other"),
    ]
    assert all(list(counts) == list(State) for counts in found.sockets.values())


def test_the_rest_of_our_own_is_always_shown_with_all_states_and_that_of_others_with_those_it_has() -> None:
    found = census([there(State.ESTABLISHED, 40000, 40001)], elsewhere={POD: Limits()})

    assert found.shown == {
        SERVERS: set(State),
        CLIENTS: set(State),
        Row("shop/web", "server", "other"): set(),
        Row("shop/web", "client", "other"): {State.ESTABLISHED},
    }


def test_namespaces_without_a_place_share_one_row_for_each_role() -> None:
    sockets = [there(State.ESTABLISHED, 40000, 443, netns) for netns in (POD, POD, POD, HOST, HOST + 1)]
    found = census([*sockets, there(State.CLOSE_WAIT, 40000, 443, HOST)], memory=few(1))

    assert found.sockets[Row("shop/web", "client", "443")][State.ESTABLISHED] == 3
    assert found.sockets[OTHERS[1]][State.ESTABLISHED] == 2
    assert found.shown[OTHERS[1]] == {State.ESTABLISHED, State.CLOSE_WAIT}
    assert found.shown[OTHERS[0]] == set()
    assert [of.namespace.name for of in found.elsewhere] == ["shop/web"]
    assert found.namespaces == 4


def test_accept_queues_are_those_of_each_namespace_and_the_fullest_of_those_that_are_told_together() -> None:
    queues = [Listener(80, 1, 128), Listener(80, 2, 128, netns=POD), *(Listener(80, n, 128, netns=n) for n in (8, 9))]
    sockets = [there(State.ESTABLISHED, 80, port) for port in (40000, 40001)]
    found = census(sockets, queues, memory=few(1))

    assert found.accept_queues == {
        WEB._replace(port="80"): AcceptQueue(1, 128),
        POD_WEB._replace(port="80"): AcceptQueue(2, 128),
        OTHERS[0]: AcceptQueue(9, 128),
    }


def test_what_bounds_each_namespace_is_told_with_what_it_uses() -> None:
    here, limits = Limits({"time_wait_limit": 1000}), Limits({"time_wait_limit": 50}, ephemeral_ports=100)
    dialled = [there(State.ESTABLISHED, 40000 + port, 443) for port in range(5)]
    found = census([*dialled, socket(State.ESTABLISHED, 40000, 443)], limits=here, elsewhere={POD: limits})

    assert (found.own.limits, found.own.busiest_destination, found.own.namespace) == (here, 1, OURS)
    [pod] = found.elsewhere
    assert (pod.limits, pod.busiest_destination, pod.busiest_address) == (limits, 5, 5)
    assert (pod.namespace, pod.folded_ports) == (NAMES[POD], {"server": 0, "client": 0})


def test_ports_without_a_label_are_told_of_each_namespace() -> None:
    sockets = [there(State.ESTABLISHED, 40000, port) for port in range(1, 16)]
    found = census(sockets, elsewhere={POD: Limits()})

    [pod] = found.elsewhere
    assert (found.own.folded_ports["client"], pod.folded_ports["client"]) == (0, 5)
    assert found.sockets[Row("shop/web", "client", "other")][State.ESTABLISHED] == 5


def test_one_that_came_while_the_tables_were_read_is_told_by_its_number() -> None:
    """Nothing is known of it yet, neither its name nor its limits."""
    new = HOST + 9
    found = census([there(State.ESTABLISHED, 40000, 443, new)])

    assert found.sockets[Row(str(new), "client", "443")][State.ESTABLISHED] == 1
    [bounds] = found.elsewhere
    assert (bounds.namespace, bounds.limits) == (Namespace(new, str(new)), Limits())


def test_our_own_is_told_also_where_only_others_have_sockets() -> None:
    found = census([there(State.ESTABLISHED, 40000, 443)], elsewhere={POD: Limits()})

    assert found.own.namespace == OURS
    assert found.sockets[CLIENTS] == dict.fromkeys(State, 0)


def test_what_is_stuck_in_a_namespace_is_told_there_and_needs_a_label_there() -> None:
    memory, many = few(2), [there(State.ESTABLISHED, 40000, port) for port in range(1, 16)]
    hung = there(State.CLOSE_WAIT, 40000, 5432)
    for now in (0.0, 300.0):
        found = census([*many, hung], memory=memory, now=now, elsewhere={POD: Limits()})

    assert found.stuck.watched[Row("shop/web", "client", "5432")][State.CLOSE_WAIT].stuck == 1
    assert found.stuck.total == 1
    assert found.stuck.watched.keys() == found.sockets.keys()


def test_a_namespace_that_takes_a_place_by_a_stuck_socket_is_told_by_name_from_then_on() -> None:
    memory, busy = few(1), [there(State.ESTABLISHED, 40000, 443) for _ in range(9)]
    hung, names = there(State.CLOSE_WAIT, 40000, 5432, HOST), list[str]()
    for now in (0.0, 300.0):
        found = census([*busy, hung], memory=memory, now=now)
        names += [of.namespace.name for of in found.elsewhere]

    assert names == ["shop/web", "lab"]
    assert found.sockets[OTHERS[1]][State.ESTABLISHED] == 9
    assert found.stuck.watched[Row("lab", "client", "5432")][State.CLOSE_WAIT].stuck == 1


def test_a_connection_of_several_subflows_may_be_all_that_a_namespace_has() -> None:
    """The subflows have gone before it."""
    connections = Watched(Everywhere([there(State.FIN_WAIT2, 40000, 443)]), are_mptcp=True, netns=POD)
    found = census(
        more=[connections], elsewhere={POD: Limits()}, decode=lambda key: decoded(key)._replace(is_mptcp=True)
    )

    assert found.total(State.FIN_WAIT2) == 0
    assert found.stuck.watched[OTHERS[1]][State.FIN_WAIT2].sockets == 1
    assert found.shown[OTHERS[1]] == {State.FIN_WAIT2}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(CONNECTED),
            st.integers(1, 65535),
            st.integers(1, 65535),
            st.sampled_from([OWN, POD, HOST, 9]),
        ),
        max_size=40,
    ),
    st.lists(st.tuples(st.integers(1, 65535), st.sampled_from([OWN, POD, HOST])), max_size=10),
    st.integers(1, 3),
)
def test_every_socket_of_every_namespace_is_counted_exactly_once(
    sockets: list[tuple[State, int, int, int]], listening: list[tuple[int, int]], places: int
) -> None:
    found = census(
        [there(*one) for one in sockets],
        [Listener(port, 0, 1, netns=netns) for port, netns in listening],
        memory=few(places),
        elsewhere={POD: Limits(), HOST: Limits()},
    )

    expected = Counter(state for state, *_ in sockets) + Counter({State.LISTEN: len(listening)})
    own = Counter(state for state, *_, netns in sockets if netns == OWN)
    own[State.LISTEN] = sum(netns == OWN for _, netns in listening)
    assert {state: found.total(state) for state in State if found.total(state)} == expected
    assert {state: own_total(found, state) for state in State} == {state: own[state] for state in State}
