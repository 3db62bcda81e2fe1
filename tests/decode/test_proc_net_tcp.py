import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import proc_net_tcp
from exporter.errors import Malformed, SampleError, Truncated
from exporter.tcp.sockets import Listener, Socket
from exporter.tcp.states import State, Timer

HEADING = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
LISTEN = (
    b"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 4711 1 "
    b"0000000000000000 100 0 0 10 0"
)
TIME_WAIT = (
    b"   1: 0263630A:1F90 0163630A:C000 06 00000000:00000000 03:00000A8C 00000000     0        0 0 3 0000000000000000"
)
V6 = (
    b"   2: 0000000000000000FFFF00000263630A:0050 0000000000000000FFFF00000163630A:D431 08 00000000:00000001 "
    b"00:00000000 00000000  1000        0 99 1 0000000000000000 20 4 0 10 -1"
)


def test_a_listening_socket_has_its_accept_queue_and_no_backlog() -> None:
    assert proc_net_tcp.state(LISTEN) is State.LISTEN
    assert proc_net_tcp.listener(LISTEN) == Listener(8080, queued=3, backlog=None, inode=4711)


def test_a_time_wait_line_has_fewer_columns_and_is_read_all_the_same() -> None:
    expected = Socket(State.TIME_WAIT, 8080, 49152, b"\xc0\x000263630A0163630A", cookie=0)

    assert proc_net_tcp.socket(TIME_WAIT) == expected


def test_an_ipv6_line_is_read_like_any_other() -> None:
    found = proc_net_tcp.socket(V6)

    assert (found.state, found.local_port, found.remote_port) == (State.CLOSE_WAIT, 80, 54321)


def test_a_watched_socket_has_its_timer_its_queues_and_its_inode() -> None:
    found = proc_net_tcp.socket(V6.replace(b"00000000:00000001 00:", b"00000002:00000001 02:"))

    assert (found.timer, found.send_queue, found.receive_queue, found.inode) == (Timer.KEEPALIVE, 2, 1, 99)


def test_both_ends_are_written_as_ss_writes_them() -> None:
    assert proc_net_tcp.ends(proc_net_tcp.socket(TIME_WAIT)) == ("10.99.99.2:8080", "10.99.99.1:49152")
    assert proc_net_tcp.ends(proc_net_tcp.socket(V6)) == ("[::ffff:10.99.99.2]:80", "[::ffff:10.99.99.1]:54321")


def test_lines_come_without_the_heading_and_the_rest_is_kept() -> None:
    assert proc_net_tcp.complete(HEADING + b"\n" + LISTEN + b"\n" + TIME_WAIT[:9], last=False) == (
        [LISTEN],
        TIME_WAIT[:9],
    )


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
        (TIME_WAIT.replace(b"0263630A:1F90", b"0263630A"), "ADDRESS:PORT"),
        (TIME_WAIT.replace(b"0263630A:1F90", b"0263630A:1F9"), "ADDRESS:PORT"),
        (TIME_WAIT.replace(b"0263630A:1F90", b"0263:1F90"), "ADDRESS:PORT"),
        (TIME_WAIT.replace(b"0263630A:1F90", b"0263630A:XYZW"), "ADDRESS:PORT"),
    ],
)
def test_a_garbled_line_is_malformed_and_quoted(line: bytes, expected: str) -> None:
    with pytest.raises(Malformed, match=expected):
        proc_net_tcp.socket(line)


def test_a_garbled_queue_is_malformed() -> None:
    with pytest.raises(Malformed, match="tx_queue:rx_queue"):
        proc_net_tcp.listener(LISTEN.replace(b"00000000:00000003", b"00000000"))


@given(st.binary(max_size=300))
def test_any_line_gives_a_socket_or_a_sample_error(line: bytes) -> None:
    for read in (proc_net_tcp.state, proc_net_tcp.socket, proc_net_tcp.listener):
        try:
            read(line)
        except SampleError:
            continue


@given(st.integers(0, len(TIME_WAIT) - 1), st.integers(0, 255))
def test_a_line_with_one_byte_changed_gives_a_socket_or_a_sample_error(at: int, byte: int) -> None:
    line = TIME_WAIT[:at] + bytes([byte]) + TIME_WAIT[at + 1 :]
    try:
        found = proc_net_tcp.socket(line)
    except SampleError:
        return
    assert 0 <= found.local_port <= 65535
    assert 0 <= found.remote_port <= 65535
