"""At which listening socket a connection waits that nobody has accepted."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from exporter.count.listeners import READING_SECONDS, Listeners, Waiting
from exporter.tcp.sockets import Listener

PORT = 8080


def listener(address: str, inode: int = 1, queued: int | None = 0, *, is_v6only: bool | None = False) -> Listener:
    return Listener(PORT, queued, 128, inode, 0, ip_address(address).packed, is_v6only)


def at(address: str, *listening: Listener) -> list[int | None]:
    """The inodes of those at which a connection to the *address* may wait."""
    listeners = Listeners()
    listeners.follow(listening, 0.0)
    return [one.inode for one in listeners.of(PORT, ip_address(address).packed)]


V4, V6, MAPPED = "10.0.0.1", "fd00::1", "::ffff:10.0.0.1"


@pytest.mark.parametrize(
    ("address", "listening", "expected"),
    [
        pytest.param(V4, ["10.0.0.2", V4, "0.0.0.0"], [2], id="its own address"),
        pytest.param(V4, ["0.0.0.0", "10.0.0.2"], [1], id="any address of the family"),
        pytest.param(V4, ["::", "0.0.0.0"], [2], id="any of its family before any of both"),
        pytest.param(V4, ["::", "10.0.0.2"], [1], id="any of both families"),
        pytest.param(V4, ["10.0.0.2", V6], [], id="none"),
        pytest.param(V6, ["::", V6, "0.0.0.0"], [2], id="its own, IPv6"),
        pytest.param(V6, ["0.0.0.0", "::"], [2], id="any address, IPv6"),
        pytest.param(V6, ["0.0.0.0"], [], id="IPv6 never comes to IPv4"),
        pytest.param(MAPPED, ["0.0.0.0", "::", V4], [2], id="IPv4 that a listener of IPv6 has taken"),
        pytest.param(MAPPED, ["::", MAPPED, V4], [2], id="its own, mapped"),
        pytest.param(V4, [V4, V4, "0.0.0.0"], [1, 2], id="several alike"),
    ],
)
def test_a_connection_waits_at_the_nearest_address(
    address: str, listening: Sequence[str], expected: list[int | None]
) -> None:
    assert at(address, *(listener(one, inode) for inode, one in enumerate(listening, 1))) == expected


def test_a_listener_of_ipv6_only_takes_no_ipv4() -> None:
    both, only = listener("::", 1), listener("::", 2, is_v6only=True)

    assert at(V4, only) == at(MAPPED, only) == []
    assert at(V4, both, only) == at(MAPPED, both, only) == [1]
    assert at(V6, both, only) == [1, 2]


def test_where_that_is_not_told_it_may_take_ipv4() -> None:
    assert at(V4, listener("::", is_v6only=None)) == [1]


def test_a_port_without_listeners_has_none() -> None:
    assert at(V4) == []


def workers(*queues: int | None) -> list[Listener]:
    """Listening sockets that are alike, by inode from 1 on, with so many in their queues."""
    return [listener("0.0.0.0", inode, queued) for inode, queued in enumerate(queues, 1)]


def likely(waiting: Waiting, *readings: Sequence[Listener]) -> list[int | None]:
    """The inodes of those where they wait, after *readings* 10 s apart."""
    listeners = Listeners()
    for number, listening in enumerate(readings):
        listeners.follow(listening, 10.0 * number)
    return [one.inode for one in listeners.likely(readings[-1], waiting)]


@pytest.mark.parametrize(
    ("queues", "sockets", "expected"),
    [
        pytest.param([0, 12, 0], 12, [2], id="only one has a queue"),
        pytest.param([3, 12, 0], 12, [2], id="the longest, for the others cannot have all"),
        pytest.param([3, 12, 0], 3, [1, 2], id="each could have all"),
        pytest.param([7, 0, 5], 12, [1, 3], id="none can have all"),
        pytest.param([6, 6], 6, [1, 2], id="equals"),
        pytest.param([None, None], 6, [1, 2], id="queues are not told"),
        pytest.param([0, 0], 6, [1, 2], id="no queues: these have been accepted just now"),
        pytest.param([0], 6, [1], id="a single one"),
    ],
)
def test_of_listeners_that_are_alike_it_is_one_only_for_certain(
    queues: Sequence[int | None], sockets: int, expected: list[int | None]
) -> None:
    assert likely(Waiting(sockets, 0.0), workers(*queues)) == expected


def test_a_queue_that_has_been_empty_meanwhile_has_lost_what_was_in_it() -> None:
    """The busy workers have more in their queues than the one that hangs."""
    waiting = Waiting(2, 5.0)

    assert likely(waiting, workers(2, 50, 40)) == [1, 2, 3]
    assert likely(waiting, workers(2, 50, 0), workers(2, 0, 0), workers(2, 50, 40)) == [1]


def test_a_queue_may_have_been_empty_in_the_reading_that_showed_the_connection_first() -> None:
    """Listening sockets come first in a reading."""
    assert likely(Waiting(2, 10.0 - READING_SECONDS / 2), workers(0, 0), workers(0, 5), workers(2, 5)) == [1, 2]


def test_one_that_began_to_hang_later_is_not_told_alone() -> None:
    """The first has hung for longer, but has not all."""
    assert likely(Waiting(12, 5.0), workers(5, 1), workers(5, 0), workers(5, 7)) == [1, 2]
