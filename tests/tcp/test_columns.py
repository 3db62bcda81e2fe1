"""Sockets that were decoded one by one are as good as columns."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.tcp.columns import BATCH, Decoded, batches, unpacked
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import Batch, Bulk, Watched
from exporter.tcp.roles import wire
from exporter.tcp.sockets import Origin, Socket
from exporter.tcp.states import COUNTED, WATCHED, State

PORT = st.integers(0, 65535)
U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
ADDRESSES = st.binary(min_size=32, max_size=32)


def sockets(state: st.SearchStrategy[State]) -> st.SearchStrategy[Socket]:
    """Any socket that a source can give, in one of the states."""
    return st.builds(
        Socket,
        state,
        PORT,
        PORT,
        ADDRESSES,
        cookie=U64,
        is_ipv6=st.booleans(),
        timer=st.integers(0, 255),
        receive_queue=U32,
        send_queue=U32,
        inode=st.none() | U64,
        pid=U32,
        retransmissions=st.none() | st.integers(0, 255),
        is_mptcp=st.just(False),
        netns=st.just(OWN),
        sequence=st.none(),
    )


ANY = sockets(st.sampled_from(State))
OPEN = sockets(st.sampled_from([*COUNTED, *WATCHED]))
FEW = st.integers(1, 2).map(lambda remote: Socket(State.CLOSE_WAIT, 80, remote, bytes(32)))
"""Such as are often equal."""


def told(batch: Batch) -> Sequence[Socket]:
    """The sockets of *batch*, after a look at the promises that it makes."""
    if isinstance(batch, Watched):
        assert isinstance(batch.rows, Decoded)
        assert {one.state for one in batch.rows.sockets} <= set(WATCHED)
        return batch.rows.sockets
    assert isinstance(batch, Bulk)
    assert isinstance(batch.columns, Decoded)
    assert batch.state in COUNTED
    assert [one.state for one in batch.columns.sockets] == [batch.state] * batch.sockets
    return batch.columns.sockets


@given(st.lists(ANY, max_size=5))
def test_a_key_is_the_whole_socket(some: list[Socket]) -> None:
    found = list(map(unpacked, Decoded(some).keys()))

    assert found == some
    assert [one.identity for one in found] == [one.identity for one in some]
    assert [type(one.state) for one in found] == [State] * len(some)


@given(st.lists(FEW, max_size=8))
def test_only_equal_sockets_have_equal_keys(some: list[Socket]) -> None:
    assert sorted(Counter(Decoded(some).keys()).values()) == sorted(Counter(some).values())


def test_an_inode_of_which_nothing_is_known_is_not_one_that_is_none() -> None:
    unknown = Socket(State.CLOSE_WAIT, 80, 40000, bytes(32))
    none = unknown._replace(inode=0)

    assert [one.inode for one in map(unpacked, Decoded([unknown, none]).keys())] == [None, 0]


def test_in_the_column_of_inodes_one_that_is_not_known_is_none() -> None:
    sockets = [Socket(State.ESTABLISHED, 80, 40000, bytes(32), inode=inode) for inode in (4711, None, 0, 1)]

    assert list(Decoded(sockets).inodes()) == [4711, 0, 0, 1]


@given(st.lists(OPEN, max_size=30))
def test_batches_lose_no_socket_and_sort_by_state(some: list[Socket]) -> None:
    assert Counter(one for batch in batches(some) for one in told(batch)) == Counter(some)


@pytest.mark.parametrize("number", [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 7])
def test_any_number_of_sockets_comes_in_batches(number: int) -> None:
    states = [*COUNTED, *WATCHED]
    some = [Socket(states[port % len(states)], port, 443, bytes(32)) for port in range(number)]

    found = [told(batch) for batch in batches(iter(some))]

    assert Counter(one for batch in found for one in batch) == Counter(some)
    assert all(0 < len(batch) <= BATCH for batch in found)


def test_sockets_are_taken_as_they_are_needed() -> None:
    """A host may have more of them than there is room for at one time."""
    left = iter([Socket(State.ESTABLISHED, 80, 40000, bytes(32))] * (BATCH + 1))

    next(batches(left))

    assert len(list(left)) == 1


@given(st.lists(st.tuples(ANY, st.booleans()), max_size=20))
def test_columns_say_what_the_sockets_say(some: list[tuple[Socket, bool]]) -> None:
    columns = Decoded([one for one, _ in some])
    chosen, wanted = bytes(is_wanted for _, is_wanted in some), [one for one, is_wanted in some if is_wanted]

    assert list(columns.local_ports()) == [wire(one.local_port) for one, _ in some]
    assert list(columns.remote_ports(chosen)) == [wire(one.remote_port) for one in wanted]
    assert list(columns.port_pairs(chosen)) == [(one.local_port, one.remote_port) for one in wanted]
    assert list(columns.origins(chosen)) == [Origin()] * len(wanted)
    assert list(columns.inodes()) == [one.inode or 0 for one, _ in some]


@given(st.lists(st.tuples(st.integers(442, 443), st.sampled_from([bytes(32), bytes(31) + b"\1"])), max_size=20))
def test_destinations_are_equal_for_equal_remote_ports_and_addresses(some: list[tuple[int, bytes]]) -> None:
    columns = Decoded([Socket(State.ESTABLISHED, 40000 + at, *to) for at, to in enumerate(some)])

    found = Counter(columns.destinations(b"\1" * len(some)))

    assert sorted(found.values()) == sorted(Counter(some).values())
