import sys
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import proc_net_tcp
from exporter.errors import Malformed, SampleError, Truncated
from exporter.tcp.columns import Decoded, unpacked
from exporter.tcp.sockets import Ends, Listener, Socket
from exporter.tcp.states import COUNTED, WATCHED, State, Timer

HEADING = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"


def native(words: bytes) -> bytes:
    """An address in hexadecimal that is written here as a little-endian host has it, as this host has it."""
    each = [bytes.fromhex(words[at : at + 8].decode()) for at in range(0, len(words), 8)]
    return b"".join(word if sys.byteorder == "little" else word[::-1] for word in each).hex().upper().encode()


LISTEN = (
    b"   0: "
    + native(b"0100007F")
    + b":1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 4711 1 "
    b"0000000000000000 100 0 0 10 0"
)
V4_LOCAL = native(b"0263630A")
TIME_WAIT = (
    b"   1: "
    + V4_LOCAL
    + b":1F90 "
    + native(b"0163630A")
    + b":C000 06 00000000:00000000 03:00000A8C 00000000     0        0 0 3 0000000000000000"
)
V6_LOCAL = native(b"0000000000000000FFFF00000263630A")
V6 = (
    b"   2: " + V6_LOCAL + b":0050 " + native(b"0000000000000000FFFF00000163630A") + b":D431 08 00000000:00000001 "
    b"00:00000000 00000000  1000        0 99 1 0000000000000000 20 4 0 10 -1"
)
LISTEN_WITHOUT_INODE = LISTEN.replace(b" 4711 1 ", b" 0 1 ")
GVISOR_LISTEN = (
    b"   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0        2 1 "
    b"0000000000000000 0 0 0 0 -1"
)
GVISOR_CLOSE_WAIT = (
    b"   4: 0100007F:1F90 0100007F:3EDA 08 00000000:00000000 00:00000000 00000000     0        0        5 1 "
    b"0000000000000000 0 0 0 0 -1"
)


def test_a_listening_socket_has_its_accept_queue_and_no_backlog() -> None:
    assert proc_net_tcp.state(LISTEN) is State.LISTEN
    assert proc_net_tcp.listener(LISTEN) == Listener(8080, 3, backlog=None, inode=4711, address=b"\x7f\0\0\1")


def test_a_listening_socket_of_ipv6_has_an_address_of_sixteen_bytes() -> None:
    found = proc_net_tcp.listener(V6.replace(b" 08 ", b" 0A "))

    assert found.address == bytes(10) + b"\xff\xff\x0a\x63\x63\x02"
    assert found.is_v6only is None


def test_a_time_wait_line_has_fewer_columns_and_is_read_all_the_same() -> None:
    addresses = b"\x0a\x63\x63\x02" + bytes(12) + b"\x0a\x63\x63\x01" + bytes(12)
    expected = Socket(State.TIME_WAIT, 8080, 49152, addresses, cookie=0, inode=0)

    assert proc_net_tcp.socket(TIME_WAIT) == expected


def test_an_ipv6_line_is_read_like_any_other() -> None:
    found = proc_net_tcp.socket(V6)

    assert (found.state, found.local_port, found.remote_port) == (State.CLOSE_WAIT, 80, 54321)
    assert found.is_ipv6


def test_addresses_stand_in_network_order_in_16_bytes_each() -> None:
    """The file has words in the order of the host."""
    words = native(b"0DB8012003020100070605040B0A0908")
    found = proc_net_tcp.socket(V6.replace(V6_LOCAL, words))

    assert found.addresses == bytes.fromhex("2001b80d 00010203 04050607 08090a0b 00000000 00000000 0000ffff 0a636301")
    assert proc_net_tcp.socket(TIME_WAIT).addresses == bytes.fromhex("0a636302" + 12 * "00" + "0a636301" + 12 * "00")


def test_a_watched_socket_has_its_timer_its_queues_and_its_inode() -> None:
    found = proc_net_tcp.socket(V6.replace(b"00000000:00000001 00:", b"00000002:00000001 02:"))

    assert (found.timer, found.send_queue, found.receive_queue, found.inode) == (Timer.KEEPALIVE, 2, 1, 99)


def test_both_ends_are_written_as_ss_writes_them() -> None:
    assert proc_net_tcp.socket(TIME_WAIT).ends == Ends("10.99.99.2:8080", "10.99.99.1:49152")
    assert proc_net_tcp.socket(V6).ends == Ends("[::ffff:10.99.99.2]:80", "[::ffff:10.99.99.1]:54321")


def test_lines_come_without_the_heading_and_the_rest_is_kept() -> None:
    assert proc_net_tcp.complete(HEADING + b"\n" + LISTEN + b"\n" + TIME_WAIT[:9], last=False) == (
        [LISTEN],
        TIME_WAIT[:9],
    )


def test_an_empty_file_or_another_one_has_no_heading() -> None:
    assert proc_net_tcp.has_heading(HEADING + b"\n")
    assert proc_net_tcp.has_heading(HEADING + b"\n" + LISTEN + b"\n")
    assert not proc_net_tcp.has_heading(b"")
    assert not proc_net_tcp.has_heading(LISTEN + b"\n" + HEADING + b"\n")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], True),
        ([LISTEN], True),
        ([TIME_WAIT, V6], True),
        ([LISTEN, LISTEN, TIME_WAIT], True),
        ([TIME_WAIT, LISTEN], False),
        ([LISTEN, V6, LISTEN, TIME_WAIT], False),
    ],
)
def test_linux_has_listening_sockets_before_all_others(lines: list[bytes], expected: bool) -> None:  # noqa: FBT001 - a table
    assert proc_net_tcp.listen_first(lines) is expected


@pytest.mark.parametrize(
    "lines", [[], [LISTEN], [TIME_WAIT], [LISTEN_WITHOUT_INODE, LISTEN, V6], [V6.replace(b" 99 1 ", b" 0 1 ")]]
)
def test_lines_of_linux_are_not_bare_though_orphans_have_no_inode(lines: list[bytes]) -> None:
    assert not proc_net_tcp.are_bare(lines)


@pytest.mark.parametrize(
    "lines", [[GVISOR_LISTEN], [GVISOR_CLOSE_WAIT], [LISTEN_WITHOUT_INODE], [TIME_WAIT, LISTEN_WITHOUT_INODE]]
)
def test_lines_are_bare_where_a_window_is_0_or_no_listening_socket_has_an_inode(lines: list[bytes]) -> None:
    assert proc_net_tcp.are_bare(lines)


def test_of_a_bare_line_neither_queue_nor_inode_counts_as_told() -> None:
    assert proc_net_tcp.bare_listener(GVISOR_LISTEN) == proc_net_tcp.listener(GVISOR_LISTEN)._replace(queued=None)
    assert proc_net_tcp.bare_socket(GVISOR_CLOSE_WAIT) == proc_net_tcp.socket(GVISOR_CLOSE_WAIT)._replace(inode=None)
    assert proc_net_tcp.socket(GVISOR_CLOSE_WAIT).inode == 5


def test_a_file_that_ends_within_a_line_is_truncated() -> None:
    with pytest.raises(Truncated, match="ends within a line"):
        proc_net_tcp.complete(TIME_WAIT[:40], last=True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"", "at least 10 columns"),
        (b"0: 0100007F:1F90 00000000:0000", "at least 10 columns"),
        (TIME_WAIT.replace(b" 06 ", b" 0C "), "a state from 01 to 0B"),
        (TIME_WAIT[:60], "at least 10 columns"),
        (TIME_WAIT.replace(V4_LOCAL + b":1F90", V4_LOCAL), "ADDRESS:PORT"),
        (TIME_WAIT.replace(b":1F90", b":1F9"), "ADDRESS:PORT"),
        (TIME_WAIT.replace(V4_LOCAL, V4_LOCAL[:4]), "ADDRESS:PORT"),
        (TIME_WAIT.replace(b":1F90", b":XYZW"), "ADDRESS:PORT"),
    ],
)
def test_a_garbled_line_is_malformed_and_quoted(line: bytes, expected: str) -> None:
    with pytest.raises(Malformed, match=expected):
        proc_net_tcp.socket(line)


@pytest.mark.parametrize("state", [*COUNTED, *WATCHED])
@pytest.mark.parametrize("address", [b"0263630G", b"0x63630A", b"02 3630A", b"02636\xff0A", b"026363"])
def test_an_address_that_is_no_hexadecimal_number_is_malformed_in_every_state(state: State, address: bytes) -> None:
    line = TIME_WAIT.replace(b" 06 ", b" %02X " % state)
    assert proc_net_tcp.socket(line).state is state

    with pytest.raises(Malformed, match="/proc/net/tcp: expected"):
        proc_net_tcp.socket(line.replace(V4_LOCAL, address))


def test_a_garbled_queue_is_malformed() -> None:
    with pytest.raises(Malformed, match="tx_queue:rx_queue"):
        proc_net_tcp.listener(LISTEN.replace(b"00000000:00000003", b"00000000"))


@pytest.mark.parametrize(
    ("right", "garbled"),
    [
        (b"00000000:00000001", b"00000000:-0000001"),
        (b"00000000:00000001", b"FFFFFFFFF:0000001"),
        (b" 00:00000000 ", b" 1FF:00000000 "),
        (b" 00:00000000 ", b" -1:00000000 "),
        (b"  0 99 1 ", b"  0 -9 1 "),
        (b"  0 99 1 ", b"  0 99999999999999999999 1 "),
    ],
)
def test_a_number_that_the_kernel_cannot_have_is_malformed(right: bytes, garbled: bytes) -> None:
    with pytest.raises(Malformed):
        proc_net_tcp.socket(V6.replace(right, garbled))


@given(st.binary(max_size=300))
def test_any_line_gives_a_socket_or_a_sample_error(line: bytes) -> None:
    for read in (
        proc_net_tcp.state,
        proc_net_tcp.socket,
        proc_net_tcp.listener,
        lambda some: proc_net_tcp.listen_first([some]),
        lambda some: proc_net_tcp.are_bare([some]),
    ):
        with suppress(SampleError):
            read(line)


@pytest.mark.parametrize("whole", [TIME_WAIT, V6])
@pytest.mark.parametrize("put", [range(128), range(128, 256)])
def test_a_line_with_any_byte_changed_gives_a_socket_or_a_sample_error(whole: bytes, put: range) -> None:
    for at, byte in product(range(len(whole)), put):
        line = whole[:at] + bytes([byte]) + whole[at + 1 :]
        with suppress(SampleError):
            found = proc_net_tcp.socket(line)
            assert 0 <= found.local_port <= 65535
            assert 0 <= found.remote_port <= 65535
            assert list(map(unpacked, Decoded([found]).keys())) == [found], line
