"""What tells a socket from all others, and how its ends are written."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.tcp.sockets import Ends, Socket
from exporter.tcp.states import State, Timer

WITH_COOKIE = Socket(State.FIN_WAIT2, 8080, 40000, bytes(range(32)), cookie=4711, inode=99)
WITHOUT_COOKIE = WITH_COOKIE._replace(cookie=0)
KERNEL_ADDRESS = 0xFFFF_8881_0A2B_3C40
NO_COOKIE = 0xFFFF_FFFF_FFFF_FFFF
"""INET_DIAG_NOCOOKIE, twice."""
LARGEST_COOKIE = 0xFFFE_FFFF_FFFF_FFFF


def packed(*addresses: str) -> bytes:
    """In network order, each filled up to 16 bytes."""
    return b"".join(ip_address(address).packed.ljust(16, b"\0") for address in addresses)


@pytest.mark.parametrize("cookie", [1, 4711, 1 << 32, LARGEST_COOKIE])
def test_a_cookie_is_an_identity_whatever_else_changes(cookie: int) -> None:
    socket = WITH_COOKIE._replace(cookie=cookie)
    changed = Socket(State.LAST_ACK, 1, 2, bytes(32), cookie, is_ipv6=True, timer=1, send_queue=1, inode=0)

    assert socket.identity == changed.identity


@given(st.integers(1, LARGEST_COOKIE), st.integers(1, LARGEST_COOKIE))
def test_another_cookie_is_another_socket(one: int, other: int) -> None:
    same = WITH_COOKIE._replace(cookie=one).identity == WITH_COOKIE._replace(cookie=other).identity

    assert same == (one == other)


@pytest.mark.parametrize("cookie", [0, KERNEL_ADDRESS, NO_COOKIE, LARGEST_COOKIE + 1])
@pytest.mark.parametrize(
    "other",
    [
        WITH_COOKIE._replace(local_port=8081),
        WITH_COOKIE._replace(remote_port=40001),
        WITH_COOKIE._replace(local_port=40000, remote_port=8080),
        WITH_COOKIE._replace(addresses=bytes(range(1, 33))),
        WITH_COOKIE._replace(inode=98),
    ],
    ids=["local port", "remote port", "ports the other way round", "addresses", "inode"],
)
def test_where_there_is_no_cookie_ports_addresses_and_inode_tell(other: Socket, cookie: int) -> None:
    """A kernel address is none either: the next socket may have it."""
    socket = WITH_COOKIE._replace(cookie=cookie)

    assert socket.identity != other._replace(cookie=cookie).identity
    assert socket.identity == WITH_COOKIE._replace(cookie=cookie, state=State.CLOSE_WAIT, timer=Timer.NONE).identity


def test_without_a_cookie_a_socket_is_the_same_across_changes_of_its_state() -> None:
    changed = WITHOUT_COOKIE._replace(state=State.LAST_ACK, timer=1, receive_queue=5, send_queue=1)

    assert WITHOUT_COOKIE.identity == changed.identity


def test_of_two_kernel_addresses_each_is_another_socket() -> None:
    one = WITH_COOKIE._replace(cookie=KERNEL_ADDRESS)

    assert one.identity != one._replace(cookie=KERNEL_ADDRESS + 64).identity


def test_a_socket_with_a_cookie_is_never_taken_for_one_without() -> None:
    assert WITH_COOKIE.identity != WITHOUT_COOKIE.identity


@pytest.mark.parametrize("inode", [None, 0])
def test_a_socket_without_an_inode_has_an_identity(inode: int | None) -> None:
    """TIME_WAIT's timer is all that is left of a socket; a source may tell no inodes at all."""
    socket = WITHOUT_COOKIE._replace(inode=inode)

    assert socket.identity == socket._replace(state=State.TIME_WAIT).identity
    assert socket.identity != WITHOUT_COOKIE.identity


@pytest.mark.parametrize(
    ("local", "remote", "expected"),
    [
        pytest.param("10.99.0.2", "192.0.2.1", Ends("10.99.0.2:8080", "192.0.2.1:40000"), id="IPv4"),
        pytest.param("127.0.0.1", "0.0.0.0", Ends("127.0.0.1:8080", "0.0.0.0:40000"), id="IPv4, any"),
        pytest.param("fd99::2", "2001:db8::1", Ends("[fd99::2]:8080", "[2001:db8::1]:40000"), id="IPv6"),
        pytest.param("::1", "::", Ends("[::1]:8080", "[::]:40000"), id="IPv6, any"),
        pytest.param(
            "::ffff:10.99.0.2",
            "::ffff:192.0.2.1",
            Ends("[::ffff:10.99.0.2]:8080", "[::ffff:192.0.2.1]:40000"),
            id="mapped",
        ),
    ],
)
def test_both_ends_are_written_as_ss_writes_them(local: str, remote: str, expected: Ends) -> None:
    socket = WITH_COOKIE._replace(addresses=packed(local, remote), is_ipv6=":" in local)

    assert socket.ends == expected
