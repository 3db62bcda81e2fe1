from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import inet_diag, netlink
from exporter.decode.inet_diag import Rows
from exporter.decode.netlink import Run
from exporter.errors import Malformed, SampleError
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import Batch, Bulk, Watched
from exporter.tcp.roles import wire
from exporter.tcp.sockets import Ends, Listener, Origin, Socket
from exporter.tcp.states import COUNTED, WATCHED, State, Timer
from tests.decode.messages import (
    AF_INET,
    AF_INET6,
    FULL,
    INFO,
    MARK,
    MINI,
    SEQUENCE,
    SHUTDOWN,
    about,
    attribute,
    cgroup_id,
    info,
    message,
    native,
    stream,
)

GOLDEN = (
    native(b"\x60\0\0\0")  # nlmsg_len: 96
    + native(b"\x12\0")  # nlmsg_type: TCPDIAG_GETSOCK
    + native(b"\x02\0")  # nlmsg_flags: NLM_F_MULTI
    + native(b"\xcd\xab\x34\x12")  # nlmsg_seq
    + native(b"\x4d\0\0\0")  # nlmsg_pid
    + b"\x02\x05\x03\0"  # AF_INET, FIN_WAIT2, timer 3, no retransmissions
    + b"\x1f\x90\xc0\x00"  # ports 8080 and 49152
    + b"\x0a\x63\0\x02".ljust(16, b"\0")  # 10.99.0.2
    + b"\x0a\x63\0\x01".ljust(16, b"\0")  # 10.99.0.1
    + native(b"\x02\0\0\0")  # idiag_if
    + native(b"\x2a\0\0\0\0\0\0\x01")  # idiag_cookie
    + native(b"\x10\x27\0\0")  # idiag_expires: 10 s
    + native(b"\x05\0\0\0")  # idiag_rqueue
    + native(b"\x07\0\0\0")  # idiag_wqueue
    + b"\0\0\0\0\0\0\0\0"  # idiag_uid, idiag_inode
    + native(b"\x08\0")  # nla_len
    + native(b"\x0f\0")  # nla_type: INET_DIAG_MARK
    + b"\0\0\0\0"
)

OPEN = [*COUNTED, *WATCHED]
"""The states that a dump of all but listening sockets can have."""
STATE, PORT = st.sampled_from(OPEN), st.integers(0, 65535)
ATTRIBUTES = st.sampled_from([MINI, FULL])


def rows(messages: Sequence[bytes]) -> Rows:
    [run] = netlink.runs(stream(messages), SEQUENCE)
    return inet_diag.rows(run)


def mixed(messages: Iterable[bytes]) -> list[Rows]:
    """The rows of messages of any lengths."""
    return [inet_diag.rows(run) for run in netlink.runs(stream(messages), SEQUENCE)]


def sockets(found: Rows) -> list[Socket]:
    return list(map(inet_diag.socket, found.keys()))


def decoded(one: bytes) -> Socket:
    """The socket that a single message is about."""
    [found] = sockets(rows([one]))
    return found


def key(one: bytes) -> bytes:
    [found] = rows([one]).keys()
    return found


def every(count: int) -> bytes:
    return b"\1" * count


def batched(messages: Iterable[bytes]) -> list[Batch]:
    return [batch for found in mixed(messages) for batch in inet_diag.batches(found)]


def test_the_fields_stand_where_the_kernel_puts_them() -> None:
    found = rows([GOLDEN])

    addresses = b"\x0a\x63\0\x02" + bytes(12) + b"\x0a\x63\0\x01" + bytes(12)
    expected = Socket(
        State.FIN_WAIT2,
        8080,
        49152,
        addresses,
        cookie=0x0100_0000_0000_002A,
        timer=Timer.TIME_WAIT,
        receive_queue=5,
        send_queue=7,
        inode=0,
        retransmissions=GOLDEN[19],
    )
    assert sockets(found) == [expected]
    assert expected.ends == Ends("10.99.0.2:8080", "10.99.0.1:49152")
    assert list(found.listeners()) == [Listener(8080, 5, 7, inode=0, address=b"\x0a\x63\0\x02")]
    assert list(found.destinations(b"\1")) == [b"\xc0\x00" + addresses]
    assert list(found.port_pairs(b"\1")) == [(8080, 49152)]
    assert list(found.inodes()) == [0]


@pytest.mark.parametrize(("local", "remote"), [(0x1F90, 0x901F), (0x901F, 0x1F90), (1, 256), (0, 65535)])
def test_ports_are_read_in_network_order_whatever_that_of_the_host(local: int, remote: int) -> None:
    found = rows([about(8, local, remote)])

    assert [(one.local_port, one.remote_port) for one in sockets(found)] == [(local, remote)]
    assert list(found.port_pairs(b"\1")) == [(local, remote)]
    assert list(found.local_ports()) == [wire(local)]
    assert list(found.remote_ports(b"\1")) == [wire(remote)]


def test_a_socket_knows_its_family() -> None:
    assert not decoded(about(8, family=AF_INET)).is_ipv6
    assert decoded(about(8, family=AF_INET6)).is_ipv6


@given(st.lists(st.tuples(st.sampled_from([1, 6]), PORT, PORT), min_size=1))
def test_columns_and_single_sockets_say_the_same(wanted: list[tuple[int, int, int]]) -> None:
    found = rows([about(*one) for one in wanted])

    singly, chosen = sockets(found), every(len(wanted))
    assert [(one.state, one.local_port, one.remote_port) for one in singly] == wanted
    assert list(found.states) == [state for state, _, _ in wanted]
    assert list(found.port_pairs(chosen)) == [(local, remote) for _, local, remote in wanted]
    assert list(found.local_ports()) == [wire(local) for _, local, _ in wanted]
    assert list(found.remote_ports(chosen)) == [wire(remote) for _, _, remote in wanted]
    assert list(found.destinations(chosen)) == [one.remote_port.to_bytes(2, "big") + one.addresses for one in singly]


def test_only_the_chosen_sockets_come_out() -> None:
    found = rows([about(8, local=port, remote=10 * port) for port in (1, 2, 3)])

    assert [local for local, _ in found.port_pairs(b"\0\1\0")] == [2]
    assert list(found.remote_ports(b"\0\1\0")) == [wire(20)]
    assert len(list(found.destinations(b"\0\0\1"))) == 1
    assert len(list(found.origins(b"\1\0\1"))) == 2


@given(st.lists(st.tuples(st.sampled_from([1, 5, 6, 8]), st.integers(1, 65535), ATTRIBUTES), max_size=60))
def test_sockets_of_a_state_come_out_of_any_mixture_of_full_and_mini_messages(
    wanted: list[tuple[int, int, bytes]],
) -> None:
    """Whatever lies between them, and however the messages were filled up."""
    found = mixed(about(state, local=port, attributes=attributes) for state, port, attributes in wanted)

    for state in (1, 5, 6, 8):
        chosen = [one.having(frozenset({state})) for one in found]
        expected = sorted(port for of, port, _ in wanted if of == state)
        assert sorted(one.local_port for rows in chosen for one in sockets(rows)) == expected
        assert sorted(wire(port) for port in expected) == sorted(port for rows in chosen for port in rows.local_ports())
        assert sum(rows.states.count(state) for rows in chosen) == len(expected)


@given(st.lists(st.tuples(st.sampled_from([1, 8]), st.integers(0, 2**32 - 1), ATTRIBUTES), max_size=60))
def test_inodes_come_out_of_any_mixture_of_full_and_mini_messages(wanted: list[tuple[int, int, bytes]]) -> None:
    found = mixed(about(state, inode=inode, attributes=attributes) for state, inode, attributes in wanted)

    assert Counter(inode for rows in found for inode in rows.inodes()) == Counter(inode for _, inode, _ in wanted)
    for rows in found:
        assert list(rows.inodes()) == [one.inode for one in sockets(rows)]
        chosen = rows.having(frozenset({8}))
        assert list(chosen.inodes()) == [one.inode for one in sockets(rows) if one.state == 8]


RUNNING = {"timer": 1, "expires": 200}


@pytest.mark.parametrize("timer", [1, 2, 3, 4])
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_row_whose_timer_runs_is_known_again_in_the_next_dump(timer: int, before: int, after: int) -> None:
    first, second = (about(9, timer=timer, expires=expires) for expires in (before, after))

    assert key(first) == key(second)


@pytest.mark.parametrize(
    "changed",
    [
        {"timer": 2},
        {"timer": 0, "expires": 0},
        {"retransmissions": 1},
        {"queues": (1, 0)},
        {"queues": (0, 1)},
        {"inode": 0},
        {"cookie": 2},
        {"remote": 40001},
        {"local": 8081},
        {"family": AF_INET6},
        {"address": bytes(16)},
        {"state": 4},
    ],
)
def test_a_row_that_changes_is_another(changed: dict[str, Any]) -> None:
    before: dict[str, Any] = {"state": 9, **RUNNING}

    assert key(about(**before)) != key(about(**before | changed))


def by_turns(expires: int) -> list[bytes]:
    """The keys of rows of two lengths, some of which have a timer that runs out in so long."""
    full = [about(8, port, timer=port % 2, expires=port % 2 * expires) for port in range(1, 9)]
    mini = [about(5, port, timer=3, expires=expires, attributes=MINI) for port in range(11, 19)]
    return list(chain.from_iterable(some.keys() for some in mixed(chain(*zip(full, mini, strict=True)))))


def test_rows_are_known_again_also_where_others_lie_between_them() -> None:
    assert by_turns(expires=9) == by_turns(expires=4)
    assert len(set(by_turns(expires=9))) == 16


def test_rows_with_and_without_a_timer_come_out_in_order() -> None:
    """Also from between messages of another length."""
    full = [about(8, port, timer=port % 2, expires=port) for port in range(1, 9)]
    mini = [about(5, port, timer=3, expires=port, attributes=MINI) for port in range(11, 19)]

    found = mixed(chain(*zip(full, mini, strict=True)))

    expected = {(State.CLOSE_WAIT, port, port % 2) for port in range(1, 9)}
    expected |= {(State.FIN_WAIT2, port, Timer.TIME_WAIT) for port in range(11, 19)}
    assert {(one.state, one.local_port, one.timer) for rows in found for one in sockets(rows)} == expected
    assert [wire(one.local_port) for rows in found for one in sockets(rows)] == [
        port for rows in found for port in rows.local_ports()
    ]


def test_what_is_told_beside_a_row_is_no_part_of_its_key() -> None:
    """The age of the silence changes all the time, and is asked for now and then."""
    expected = key(about(8, attributes=cgroup_id(4242)))

    assert key(about(8, attributes=info(5000) + cgroup_id(4242))) == expected
    assert key(about(8, attributes=MINI)) == expected


def test_the_origin_tells_cgroup_and_silence() -> None:
    found = rows([about(8, attributes=info(5250) + cgroup_id(4242)), about(8, attributes=info(0) + cgroup_id(1))])

    assert list(found.origins(every(2))) == [Origin(4242, 5.25, 8.0), Origin(1, 0.0, 8.0)]


@pytest.mark.parametrize(("sent", "received", "idle"), [(1500, 90000, 1.5), (90000, 250, 0.25), (7, 7, 0.007)])
def test_a_connection_is_idle_since_data_moved_in_either_direction(sent: int, received: int, idle: float) -> None:
    found = rows([about(8, attributes=info(5000, sent=sent, received=received))])

    assert [origin.idle for origin in found.origins(b"\1")] == [idle]


def test_only_the_origins_of_the_chosen_are_told() -> None:
    found = rows([about(8, attributes=cgroup_id(number)) for number in (10, 20, 30)])

    assert list(found.origins(b"\0\1\1")) == [Origin(20), Origin(30)]
    assert list(found.origins(b"\0\0\0")) == []


def test_attributes_of_equal_messages_may_stand_in_another_order() -> None:
    """They are found where they are, not where those of the first message are."""
    mark, shut = attribute(MARK, bytes(4)), attribute(SHUTDOWN, b"\3")
    orders = [
        shut + mark + cgroup_id(10) + info(1000),
        info(2000) + mark + shut + cgroup_id(20),
        cgroup_id(30) + info(3000) + mark + shut,
    ]

    found = rows([about(8, attributes=attributes) for attributes in orders])

    assert list(found.origins(every(3))) == [Origin(10, 1.0, 8.0), Origin(20, 2.0, 8.0), Origin(30, 3.0, 8.0)]


@pytest.mark.parametrize(
    "attributes",
    [
        b"",
        attribute(MARK, bytes(4)),
        attribute(INFO, bytes(56)),
        cgroup_id(4242)[:8],
        b"\x08\0\x15\0\x2a\0\0\0",
        bytes(64),
        b"\xff" * 64,
    ],
    ids=["none", "others", "a short tcp_info", "cut off", "too short to hold a number", "zeros", "overlong"],
)
def test_without_whole_attributes_nothing_is_told(attributes: bytes) -> None:
    assert list(rows([about(8, attributes=attributes)]).origins(b"\1")) == [Origin()]


@pytest.mark.parametrize("numbers", [range(1, 3), range(2, 4), range(1, 30), range(1, 31)])
def test_the_origins_of_a_mixture_are_those_of_its_rows(numbers: range) -> None:
    """Messages of two lengths by turns are filled up to one length, which moves them."""
    messages = [
        about(8, local=number, attributes=info(1000 * number) + cgroup_id(number)) if number % 2 else mini(number)
        for number in numbers
    ]

    found = [
        (one.local_port, origin)
        for some in mixed(messages)
        for one, origin in zip(sockets(some), some.origins(every(len(some.states))), strict=True)
    ]

    assert sorted(found) == [(n, Origin(n, float(n), 8.0) if n % 2 else Origin()) for n in numbers]


def mini(local: int) -> bytes:
    return about(5, local=local, attributes=MINI)


def test_a_listener_tells_its_cgroup() -> None:
    found = rows([about(10, queues=(3, 128), attributes=cgroup_id(number)) for number in (10, 20)])

    assert [(one.queued, one.backlog, one.inode, one.cgroup_id) for one in found.listeners()] == [
        (3, 128, 4711, number) for number in (10, 20)
    ]


V6ONLY = 11
WILDCARD = bytes(16)


def test_a_listener_tells_its_address_by_family() -> None:
    v4, v6 = rows([about(10)]), rows([about(10, family=AF_INET6, address=bytes(15) + b"\1")])

    assert [(one.address, one.is_v6only) for one in v4.listeners()] == [(b"\x7f\0\0\1", None)]
    assert [(one.address, one.is_v6only) for one in v6.listeners()] == [(bytes(15) + b"\1", None)]


def test_a_listener_of_ipv6_tells_whether_it_takes_ipv4_too() -> None:
    attributes = [attribute(SHUTDOWN, b"\0") + attribute(V6ONLY, flag) + cgroup_id(5) for flag in (b"\0", b"\1")]
    found = rows([about(10, family=AF_INET6, address=WILDCARD, attributes=some) for some in attributes])

    assert [(one.address, one.is_v6only, one.cgroup_id) for one in found.listeners()] == [
        (WILDCARD, False, 5),
        (WILDCARD, True, 5),
    ]


@given(st.lists(st.tuples(STATE, PORT, ATTRIBUTES), max_size=80))
def test_batches_lose_no_socket_and_sort_by_state(wanted: list[tuple[State, int, bytes]]) -> None:
    found = batched(about(state, local=port, attributes=attributes) for state, port, attributes in wanted)

    assert Counter(one for batch in found for one in told(batch)) == Counter((state, port) for state, port, _ in wanted)


def told(batch: Batch) -> list[tuple[State, int]]:
    """State and local port of each socket of *batch*, after a look at the promises that it makes."""
    if isinstance(batch, Watched):
        assert isinstance(batch.rows, Rows)
        assert set(batch.rows.states) <= set(WATCHED)
        return [(one.state, one.local_port) for one in sockets(batch.rows)]
    assert isinstance(batch, Bulk)
    assert isinstance(batch.columns, Rows)
    assert batch.state in COUNTED
    assert batch.columns.states == bytes([batch.state]) * batch.sockets
    ports = list(batch.columns.local_ports())
    assert len(ports) == batch.sockets
    return [(batch.state, wire(port)) for port in ports]


@pytest.mark.parametrize("state", [0, State.LISTEN, 12, 13, 255])
@pytest.mark.parametrize("others", [(), (1,), (8,), (1, 6, 7, 8)])
def test_a_state_that_is_not_expected_is_malformed_and_not_lost(state: int, others: tuple[int, ...]) -> None:
    with pytest.raises(Malformed, match=rf"socket states \[.*\b{state}\b.*\], expected 1 to 11 without 10"):
        batched(map(about, [*others, state]))


POD = 4026532001
"""A number as the kernel gives it to namespaces, above 2**31."""


@given(
    state=STATE,
    netns=st.integers(1 << 31, (1 << 32) - 1),
    interface=st.integers(0, (1 << 31) - 1),
    are_mptcp=st.booleans(),
)
def test_the_key_of_a_socket_of_another_namespace_keeps_its_number(
    state: State, netns: int, interface: int, *, are_mptcp: bool
) -> None:
    there = rows([about(state, cookie=9, interface=interface)])._replace(netns=netns, are_mptcp=are_mptcp)
    here = there._replace(netns=OWN)

    [found], [known] = sockets(there), sockets(here)
    assert found.netns == netns
    assert found._replace(netns=OWN) == known
    assert len(there.keys()[0]) == len(here.keys()[0])


@given(st.integers(0, (1 << 31) - 1))
def test_the_number_of_an_interface_is_none_of_a_namespace(interface: int) -> None:
    assert decoded(about(8, interface=interface)).netns == OWN


def test_one_socket_in_two_namespaces_is_two() -> None:
    """All else may be alike: the cookie where the kernel gives none, and the addresses of two loopbacks."""
    there = [rows([about(8, cookie=0)])._replace(netns=netns) for netns in (OWN, POD, POD + 1)]

    assert len(set(chain.from_iterable(map(Rows.keys, there)))) == 3
    assert len({socket.identity for one in there for socket in sockets(one)}) == 3


def test_a_socket_that_has_not_changed_has_the_same_key_in_a_namespace_too() -> None:
    """Also while its timer runs down, which keys leave out."""
    first, second = (rows([about(4, timer=1, expires=left)])._replace(netns=POD).keys() for left in (200, 100))

    assert first == second


def test_requests_have_the_size_of_the_kernels_structures() -> None:
    """A shorter one is refused, and one with padding is misread."""
    assert len(inet_diag.legacy_request(0xFFE)) == 60
    assert len(inet_diag.request(2, 0xFFE)) == 56


def test_a_message_too_short_for_a_socket_is_malformed() -> None:
    with pytest.raises(Malformed, match="message of 84 bytes, expected at least 88"):
        inet_diag.rows(Run(18, 84, message(bytes(68))))


def test_a_message_of_another_family_is_malformed() -> None:
    with pytest.raises(Malformed, match="message type 99"):
        inet_diag.rows(Run(99, 124, about(1)))


@given(st.binary(min_size=16, max_size=120), STATE | st.integers(0, 255), ATTRIBUTES)
def test_any_body_gives_a_socket_or_a_sample_error(body: bytes, state: int, attributes: bytes) -> None:
    length = 72 + len(attributes)
    try:
        found = batched([message((body[:1] + bytes([state]) + body[2:]).ljust(length, b"\0")[:length])])
    except SampleError:
        return
    assert [len(told(batch)) for batch in found] == [1]


@given(STATE, st.binary(max_size=200))
def test_any_attributes_give_an_origin(state: State, attributes: bytes) -> None:
    found = rows([about(state, attributes=attributes[: len(attributes) // 4 * 4])])

    [origin] = found.origins(b"\1")
    assert origin.cgroup_id >= 0
    assert origin.silence >= 0
