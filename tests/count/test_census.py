from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from exporter.count.census import AcceptQueue, Census, Count, Memory, blank
from exporter.count.rules import PortRules, StuckRules
from exporter.count.stuck import Tell
from exporter.count.watched import Read
from exporter.tcp.columns import batches, unpacked
from exporter.tcp.limits import Limits
from exporter.tcp.reading import Batch, Counts, Decode
from exporter.tcp.sockets import OWN, Listener, Row, Service, Socket
from exporter.tcp.states import State

CONNECTED = [state for state in State if state is not State.LISTEN]
COOKIES = count(1)
WEB, SERVERS, CLIENTS = Row(OWN, "server", "8080"), Row(OWN, "server", "other"), Row(OWN, "client", "other")


def socket(state: State, local: int, remote: int, peer: bytes = b"peer") -> Socket:
    return Socket(state, local, remote, peer.ljust(32, b"\0"), cookie=next(COOKIES))


def census(  # noqa: PLR0913 - all that a sample goes by
    sockets: Sequence[Socket] = (),
    listeners: Sequence[Listener] = (),
    rules: PortRules | None = None,
    more: Iterable[Batch] = (),
    *,
    memory: Memory | None = None,
    now: float = 0.0,
    limits: Limits = Limits(),  # noqa: B008 - a frozen value
    decode: Decode = unpacked,
) -> Census:
    """Of one reading of *sockets*, and of what is in *more* batches; the first one if there is no *memory*."""
    memory = memory or blank(rules or PortRules())
    roles = memory.services.roles(listeners, frozenset(), limits.ephemeral, now)
    counting = Count(roles, listeners, memory.watched.seen(now))
    for batch in (*batches(sockets), *more):
        counting.add(batch)
    memory.watched.take_in(counting.seen, Read(now, listeners, counting.roles, StuckRules(), decode))
    return counting.census(memory, limits, Tell(now, StuckRules(), tells_verdicts=True, cgroups=lambda _: ""))


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
    memory, listeners = blank(PortRules()), [Listener(8080, 0, 128)]
    census([socket(State.CLOSE_WAIT, 8080, 40000)], listeners, memory=memory)

    found = [census([], listeners, memory=memory, now=now).shown[WEB] for now in (5.0, 600.0, 605.0)]

    assert found == [{State.LISTEN, State.CLOSE_WAIT}, {State.LISTEN, State.CLOSE_WAIT}, {State.LISTEN}]


def test_a_state_that_only_a_connection_of_several_subflows_is_in_is_shown() -> None:
    """It can be stuck there, while its subflows are established."""
    found = census(
        [socket(State.ESTABLISHED, 8080, 40000), socket(State.FIN_WAIT2, 8080, 40000)],
        [Listener(8080, 0, 128)],
        decode=lambda key: unpacked(key)._replace(is_mptcp=True),
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

    assert found.folded_ports == {"server": 4, "client": 0}
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

    assert found.busiest_destination == 8


def test_a_socket_that_comes_twice_is_counted_once() -> None:
    """A socket that changes its place in the table while that is walked can be met again."""
    one = socket(State.CLOSE_WAIT, 80, 40000)

    found = census([one, one, socket(State.CLOSE_WAIT, 80, 40001)])

    assert found.total(State.CLOSE_WAIT) == 2
    assert found.stuck.tracked == 2


def test_what_a_source_has_counted_by_itself_counts_beside_the_rest() -> None:
    counts = Counts({(State.ESTABLISHED, Service("server", 8080)): 70_000, (State.CLOSE, Service("client", 443)): 1})

    found = census([socket(State.ESTABLISHED, 8080, 40000)], [Listener(8080, 0, 128)], more=[counts])

    assert found.sockets[WEB][State.ESTABLISHED] == 70_001
    assert found.sockets[Row(OWN, "client", "443")][State.CLOSE] == 1


def test_a_busy_remote_port_is_told_apart_from_any_number_of_others() -> None:
    """A scan of all ports from here, and a database beside it."""
    found = census(
        [
            *(socket(State.ESTABLISHED, 40000, port) for port in range(1, 2000)),
            *(socket(State.ESTABLISHED, 40001, 5432) for _ in range(9)),
        ],
        rules=PortRules(max=3),
    )

    assert found.sockets[Row(OWN, "client", "5432")][State.ESTABLISHED] == 9
    assert found.sockets[CLIENTS][State.ESTABLISHED] == 1997
    assert found.folded_ports == {"server": 0, "client": 1997}
