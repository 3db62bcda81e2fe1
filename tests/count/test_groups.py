"""The list of the oldest stuck sockets: fair, bounded, and right whatever comes and goes."""

import pytest

from exporter.count import groups
from exporter.count.watched import WatchedSockets
from exporter.tcp.sockets import Service, Socket
from exporter.tcp.states import State
from tests.count.readings import HERE, read

HELD = Socket(State.FIN_WAIT2, 8080, 40000, HERE, cookie=1, inode=11)
DIALLED = HELD._replace(local_port=40000)
AFTER = {State.FIN_WAIT2: 1.0}


def listed(found: WatchedSockets) -> list[tuple[int, float]]:
    """Cookie and beginning of each."""
    return [(one.socket.cookie, one.since) for one in found.groups.listed]


def test_the_oldest_are_listed_first() -> None:
    found = WatchedSockets()
    for now in (0.0, 10.0, 100.0):
        read(found, [HELD._replace(cookie=2), HELD] if now else [HELD], now, after=AFTER)

    assert listed(found) == [(1, 0.0), (2, 10.0)]


def test_a_list_of_any_number_of_ports_is_bounded_and_fair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "LISTED", 20)
    found = WatchedSockets()
    sockets = [DIALLED._replace(cookie=cookie, remote_port=443 if cookie <= 90 else cookie) for cookie in range(1, 101)]
    for now in (0.0, 100.0):
        read(found, sockets, now, after=AFTER)

    assert len({one.socket.remote_port for one in found.groups.listed}) == 11
    assert len(found.groups.listed) <= 20
    assert {group.alike.service: group.stuck for group in found.groups}[Service("client", 443)] == 90


def test_the_list_is_bounded_also_where_each_socket_has_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "LISTED", 20)
    found = WatchedSockets()
    for now in (0.0, 100.0):
        read(found, [DIALLED._replace(cookie=port, remote_port=port) for port in range(1, 101)], now, after=AFTER)

    assert len(found.groups.listed) == 20


def test_one_port_has_so_many_places_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "LISTED_EACH", 3)
    found = WatchedSockets()
    for now in (0.0, 100.0):
        read(found, [HELD._replace(cookie=cookie) for cookie in range(1, 9)], now, after=AFTER)

    assert len(found.groups.listed) == 3


def test_when_one_that_is_listed_goes_the_next_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "LISTED_EACH", 2)
    found, sockets = WatchedSockets(), [HELD._replace(cookie=cookie) for cookie in range(1, 5)]
    for now in range(4):
        read(found, sockets[: now + 1], now, after=AFTER)
    read(found, sockets, 100.0, after=AFTER)
    assert listed(found) == [(1, 0.0), (2, 1.0)]

    read(found, sockets[1:], 105.0, after=AFTER)

    assert listed(found) == [(2, 1.0), (3, 2.0)]


def test_a_full_list_is_not_made_anew_for_younger_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leak that grows must not cost a look at all that has leaked before."""
    monkeypatch.setattr(groups, "LISTED_EACH", 2)
    found, sockets = WatchedSockets(), [HELD._replace(cookie=cookie) for cookie in range(1, 5)]
    for now in (0.0, 100.0):
        read(found, sockets[:2], now, after=AFTER)
    before = found.groups.listed

    for now in (105.0, 110.0):
        read(found, sockets, now, after=AFTER)

    assert found.groups.listed is before
    assert sum(group.stuck for group in found.groups) == 4


def test_when_the_oldest_of_a_group_goes_the_next_is_the_oldest() -> None:
    found = WatchedSockets()
    read(found, [HELD], 0.0)
    read(found, [HELD, HELD._replace(cookie=2)], 5.0)
    read(found, [HELD._replace(cookie=2)], 10.0)

    assert [group.oldest_since for group in found.groups] == [5.0]
