import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import inet_diag, netlink
from exporter.decode.inet_diag import Rows
from exporter.decode.netlink import Run
from exporter.errors import Malformed, SampleError
from exporter.tcp.roles import wire
from exporter.tcp.sockets import Listener, Socket
from exporter.tcp.states import State, Timer
from tests.decode.messages import MINI, SEQUENCE, about, message, stream

# As a little-endian host sends it.
GOLDEN = (
    b"\x60\0\0\0"  # nlmsg_len: 96
    b"\x12\0\x02\0"  # nlmsg_type: TCPDIAG_GETSOCK, nlmsg_flags: NLM_F_MULTI
    b"\xcd\xab\x34\x12\x4d\0\0\0"  # nlmsg_seq, nlmsg_pid
    b"\x02\x05\x03\0"  # AF_INET, FIN_WAIT2, timer 3, no retransmissions
    b"\x1f\x90\xc0\x00"  # ports 8080 and 49152
    b"\x0a\x63\0\x02" + bytes(12) + b"\x0a\x63\0\x01" + bytes(12) +  # 10.99.0.2, 10.99.0.1
    b"\x02\0\0\0"  # idiag_if
    b"\x2a\0\0\0\0\0\0\x01"  # idiag_cookie
    b"\x10\x27\0\0"  # idiag_expires: 10 s
    b"\x05\0\0\0\x07\0\0\0"  # idiag_rqueue, idiag_wqueue
    b"\0\0\0\0\0\0\0\0"  # idiag_uid, idiag_inode
    b"\x08\0\x0f\0\0\0\0\0"  # INET_DIAG_MARK
)  # fmt: skip


def rows(messages: list[bytes]) -> Rows:
    [run] = netlink.runs(stream(messages), SEQUENCE)
    return inet_diag.rows(run)


def every(count: int) -> bytes:
    return b"\1" * count


def test_the_fields_stand_where_the_kernel_puts_them() -> None:
    found = rows([GOLDEN])

    addresses = b"\x0a\x63\0\x02" + bytes(12) + b"\x0a\x63\0\x01" + bytes(12)
    destination = b"\xc0\x00" + addresses
    assert found.sockets() == [
        Socket(
            State.FIN_WAIT2,
            8080,
            49152,
            destination,
            cookie=0x0100_0000_0000_002A,
            timer=Timer.TIME_WAIT,
            receive_queue=5,
            send_queue=7,
            inode=0,
        )
    ]
    assert inet_diag.ends(found.sockets()[0]) == ("10.99.0.2:8080", "10.99.0.1:49152")
    assert list(found.listeners()) == [Listener(8080, 5, 7, inode=0)]
    assert list(found.destinations(b"\1")) == [destination]
    assert list(found.port_pairs(b"\1")) == [(8080, 49152)]


@given(st.lists(st.tuples(st.sampled_from([1, 6]), st.integers(0, 65535), st.integers(0, 65535)), min_size=1))
def test_columns_and_single_sockets_say_the_same(sockets: list[tuple[int, int, int]]) -> None:
    found = rows([about(*one) for one in sockets])

    singly = found.sockets()
    assert [(one.state, one.local_port, one.remote_port) for one in singly] == sockets
    assert list(found.states) == [state for state, _, _ in sockets]
    assert list(found.port_pairs(every(len(sockets)))) == [(local, remote) for _, local, remote in sockets]
    assert list(found.destinations(every(len(sockets)))) == [one.destination for one in singly]


def test_only_the_chosen_sockets_come_out() -> None:
    found = rows([about(8, local=port) for port in (1, 2, 3)])

    assert [local for local, _ in found.port_pairs(b"\0\1\0")] == [2]
    assert len(list(found.destinations(b"\0\0\1"))) == 1


@given(st.lists(st.tuples(st.sampled_from([1, 5, 6, 8]), st.integers(1, 65535), st.booleans()), max_size=60))
def test_sockets_of_a_state_come_out_of_any_mixture_of_full_and_mini_messages(
    sockets: list[tuple[int, int, bool]],
) -> None:
    """Whatever lies between them, and however the messages were filled up."""
    messages = [about(state, local=port, attributes=MINI if mini else 36) for state, port, mini in sockets]
    found = [inet_diag.rows(run) for run in netlink.runs(stream(messages), SEQUENCE)]

    for state in (1, 5, 6, 8):
        chosen = [one.having(frozenset({state})) for one in found]
        expected = sorted(port for of, port, _ in sockets if of == state)
        assert sorted(one.local_port for rows in chosen for one in rows.sockets()) == expected
        assert sorted(wire(port) for port in expected) == sorted(port for rows in chosen for port in rows.local_ports())
        assert sum(rows.states.count(state) for rows in chosen) == len(expected)


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


@pytest.mark.parametrize("state", [0, 12, 13, 255])
def test_a_state_that_is_not_known_is_malformed_and_not_lost(state: int) -> None:
    with pytest.raises(Malformed, match=f"socket state {state}"):
        rows([about(state)]).sockets()


@given(st.lists(st.integers(0, 255), min_size=16, max_size=120).map(bytes), st.sampled_from([MINI, 36]))
def test_any_body_gives_a_socket_or_a_sample_error(body: bytes, attributes: int) -> None:
    data = message(body.ljust(72 + attributes, b"\0")[: 72 + attributes])
    try:
        found = rows([data]).sockets()
    except SampleError:
        return
    assert len(found) == 1
