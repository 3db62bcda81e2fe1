"""Stories about sockets: what each reading shows, and how old each socket is held to be."""

import gc
import tracemalloc
from collections.abc import Mapping

import pytest

from exporter.count import watched
from exporter.count.watched import BEHIND_SECONDS, WatchedSockets
from exporter.tcp.sockets import Origin, Service, Socket
from exporter.tcp.states import State, Timer
from exporter.tcp.verdicts import CLOSE, FIN_TIMEOUT, NOTHING, READ
from tests.count.readings import HERE, read, shown

FIN_WAIT2 = Socket(State.FIN_WAIT2, 40000, 443, HERE, cookie=1, inode=11)
CLOSE_WAIT = FIN_WAIT2._replace(state=State.CLOSE_WAIT)
OTHER = FIN_WAIT2._replace(cookie=2)
WITHOUT_COOKIE = FIN_WAIT2._replace(cookie=0, inode=77)
IN_MEMORY = FIN_WAIT2._replace(cookie=0xFFFF880012345600)
HELD = Socket(State.FIN_WAIT2, 8080, 40000, HERE, cookie=1, inode=11)
ORPHAN = HELD._replace(cookie=2, inode=0, timer=Timer.TIME_WAIT)
WEB = Service("server", 8080)

Story = Mapping[float, Mapping[Socket, float]]
"""By time of the reading, the sockets that it shows and the ages that are expected."""

STORIES: Mapping[str, Story] = {
    "a socket ages from when it was first seen": {0: {FIN_WAIT2: 0}, 5: {FIN_WAIT2: 5}, 3600: {FIN_WAIT2: 3600}},
    "a change of state begins a new age": {0: {FIN_WAIT2: 0}, 5: {CLOSE_WAIT: 0}, 10: {CLOSE_WAIT: 5}},
    "sockets do not share ages": {0: {FIN_WAIT2: 0}, 5: {FIN_WAIT2: 5, OTHER: 0}, 9: {OTHER: 4, FIN_WAIT2: 9}},
    "a reading that misses a socket does not make it young": {0: {FIN_WAIT2: 0}, 5: {}, 10: {FIN_WAIT2: 10}},
    "two readings without it make it a new one": {0: {FIN_WAIT2: 0}, 5: {}, 10: {}, 15: {FIN_WAIT2: 0}},
    "the same addresses with another cookie are another socket": {0: {FIN_WAIT2: 0}, 5: {OTHER: 0}},
    "without cookies the addresses and the inode tell": {
        0: {WITHOUT_COOKIE: 0},
        5: {WITHOUT_COOKIE: 5},
        10: {WITHOUT_COOKIE._replace(inode=78): 0},
    },
    "a cookie that is an address in memory is the next socket's too": {
        0: {IN_MEMORY: 0},
        5: {IN_MEMORY: 5},
        10: {IN_MEMORY._replace(remote_port=444): 0},
    },
    "a socket that has changed is as old as before": {
        0: {FIN_WAIT2: 0},
        5: {FIN_WAIT2._replace(receive_queue=9): 5},
        10: {FIN_WAIT2._replace(timer=Timer.KEEPALIVE): 10},
    },
    "a socket that has changed while a reading missed it is as old as before": {
        0: {FIN_WAIT2: 0},
        5: {},
        10: {FIN_WAIT2._replace(receive_queue=9): 10},
    },
    "a source that has cookies knows nothing of one that has none": {0: {WITHOUT_COOKIE: 0}, 5: {FIN_WAIT2: 0}},
}


def ages(found: WatchedSockets, now: float) -> list[float]:
    return sorted(now - group.oldest_since for group in found.groups)


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_ages(story: Story) -> None:
    found = WatchedSockets()
    for now, expected in story.items():
        read(found, expected, now, after=dict.fromkeys(State, 0.0))

        assert {one.socket: now - one.since for one in found.groups.listed} == expected
        assert len(found) == len(expected)


SILENT = Origin(silence=90.0)


def test_what_was_silent_at_first_sight_is_that_old() -> None:
    found = WatchedSockets()

    read(found, [FIN_WAIT2], 0.0, origins={FIN_WAIT2: SILENT})
    assert ages(found, 0.0) == [90.0]

    read(found, [FIN_WAIT2], 5.0)
    assert ages(found, 5.0) == [95.0]


@pytest.mark.parametrize(
    "socket",
    [FIN_WAIT2._replace(timer=Timer.KEEPALIVE), FIN_WAIT2._replace(state=State.LAST_ACK)],
    ids=["keepalive breaks the silence", "in other states it tells nothing"],
)
def test_there_are_sockets_whose_silence_tells_nothing(socket: Socket) -> None:
    found = WatchedSockets()

    read(found, [socket], 0.0, origins={socket: SILENT})

    assert ages(found, 0.0) == [0.0]


def test_the_silence_of_a_socket_that_is_known_does_not_matter() -> None:
    found = WatchedSockets()
    read(found, [FIN_WAIT2], 0.0)
    changed = FIN_WAIT2._replace(receive_queue=1)

    read(found, [changed], 60.0, origins={changed: Origin(silence=7.0)})

    assert ages(found, 60.0) == [60.0]


@pytest.mark.parametrize("twin", [FIN_WAIT2, FIN_WAIT2._replace(receive_queue=9)], ids=["alike", "changed"])
@pytest.mark.parametrize("known_before", [False, True])
def test_a_socket_that_a_reading_shows_twice_counts_once(twin: Socket, *, known_before: bool) -> None:
    """It moves in the kernel's table while that is read."""
    found = WatchedSockets()
    if known_before:
        read(found, [FIN_WAIT2], 0.0)

    read(found, [FIN_WAIT2, OTHER, twin], 5.0)

    assert len(found) == 2
    assert max(ages(found, 5.0)) == (5.0 if known_before else 0.0)


def test_of_more_twins_than_are_looked_for_the_next_reading_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "TWINS", 0)
    found = WatchedSockets()
    twins = [FIN_WAIT2, FIN_WAIT2._replace(receive_queue=9)]

    for now, sockets in ((0.0, twins), (5.0, twins[1:])):
        read(found, sockets, now)

    assert len(found) == 1


def test_a_reading_that_fails_half_way_loses_no_age() -> None:
    found = WatchedSockets()
    read(found, [FIN_WAIT2, OTHER], 0.0)

    found.seen(5.0).add(shown([FIN_WAIT2]))
    read(found, [FIN_WAIT2, OTHER], 6.0)

    assert ages(found, 6.0) == [6.0]
    assert len(found) == 2


def test_nothing_is_left_of_sockets_that_are_gone() -> None:
    found = WatchedSockets()
    for now in range(4):
        read(found, [FIN_WAIT2] if now < 2 else [], now)

    assert len(found) == 0
    assert len(found._known) == 0
    assert not found.groups._groups
    assert not found.groups._places


def test_silence_is_asked_for_at_first_and_after_a_gap() -> None:
    found = WatchedSockets()
    assert found.seen(0.0).asks

    read(found, [], 0.0)

    assert not found.seen(BEHIND_SECONDS).asks
    assert found.seen(BEHIND_SECONDS + 1).asks


def test_stuck_is_who_has_been_there_for_the_threshold() -> None:
    found = WatchedSockets()
    for now, stuck in ((0.0, 0), (59.9, 0), (60.0, 1)):
        read(found, [HELD], now, after={State.FIN_WAIT2: 60.0})

        assert [group.stuck for group in found.groups] == [stuck]


def test_what_the_kernel_removes_is_never_stuck_but_has_an_age() -> None:
    found = WatchedSockets()
    for now in (0.0, 100.0):
        read(found, [ORPHAN], now, after={State.FIN_WAIT2: 60.0})

    [group] = found.groups
    assert (group.stuck, group.present, group.oldest_since, group.alike.verdict) == (0, 1, 0.0, FIN_TIMEOUT)


def test_a_state_without_a_threshold_has_nothing_stuck() -> None:
    found = WatchedSockets()
    for now in (0.0, 1e6):
        read(found, [HELD], now, after={State.LAST_ACK: 60.0})

    assert [group.stuck for group in found.groups] == [0]


def test_other_thresholds_hold_for_those_who_are_there() -> None:
    found = WatchedSockets()
    stuck = []
    for now, seconds in ((0.0, 60.0), (100.0, 60.0), (105.0, 600.0), (110.0, 30.0)):
        read(found, [HELD], now, after={State.FIN_WAIT2: seconds})
        stuck += [group.stuck for group in found.groups]

    assert stuck == [0, 1, 0, 1]


def test_a_socket_that_changes_has_another_verdict_and_is_as_stuck_as_before() -> None:
    found, unread = WatchedSockets(), HELD._replace(state=State.CLOSE_WAIT, receive_queue=5)
    verdicts = []
    for now, socket in ((0.0, unread), (100.0, unread), (105.0, unread._replace(receive_queue=0))):
        read(found, [socket], now, after={State.CLOSE_WAIT: 60.0})
        verdicts += [(group.alike.verdict, group.stuck) for group in found.groups]

    assert verdicts == [(READ, 0), (READ, 1), (CLOSE, 1)]


def test_a_socket_that_is_left_by_its_process_is_stuck_no_more() -> None:
    found = WatchedSockets()
    for now, socket in ((0.0, HELD), (100.0, HELD), (105.0, HELD._replace(inode=0, timer=Timer.TIME_WAIT))):
        read(found, [socket], now, after={State.FIN_WAIT2: 60.0})

    assert [(group.alike.verdict, group.stuck) for group in found.groups] == [(FIN_TIMEOUT, 0)]


def test_a_socket_that_a_reading_has_missed_is_not_told() -> None:
    found = WatchedSockets()
    told = []
    for now, sockets in ((0.0, [HELD]), (100.0, [HELD]), (105.0, []), (110.0, [HELD])):
        read(found, sockets, now, after={State.FIN_WAIT2: 60.0})
        told.append(([(group.alike.verdict, group.stuck) for group in found.groups], len(found.groups.listed)))

    assert told == [([(NOTHING, 0)], 0), ([(NOTHING, 1)], 1), ([], 0), ([(NOTHING, 1)], 1)]


def test_when_a_port_begins_or_ceases_to_listen_its_sockets_follow() -> None:
    found = WatchedSockets()
    services = []
    for now, listening in ((0.0, [40000]), (5.0, []), (10.0, [40000]), (15.0, [40000, 80])):
        read(found, [FIN_WAIT2, HELD._replace(cookie=5)], now, listening=listening)
        services.append({group.alike.service for group in found.groups})

    server, client = Service("server", 40000), Service("client", 443)
    assert services == [{server, WEB}, {client, WEB}, {server, WEB}, {server, WEB}]
    assert ages(found, 15.0) == [15.0, 15.0]


def test_tens_of_thousands_of_stuck_sockets_cost_little_and_nothing_once_they_are_gone() -> None:
    """200,000 may cost 50 MB, which is 250 bytes each."""
    sockets, found = 50_000, WatchedSockets()

    def sample(now: float, count: int) -> None:
        rows = (HELD._replace(cookie=(1 << 40) + number, inode=1 << 20 | number) for number in range(count))
        read(found, rows, now, after={State.FIN_WAIT2: 1.0})

    tracemalloc.start()
    try:
        for now in (0.0, 10.0, 20.0):
            sample(now, sockets)
        there = tracemalloc.get_traced_memory()[0]
        for now in (30.0, 40.0):
            sample(now, 0)
        gc.collect()  # gives back the tuples that Python keeps
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert there < 250 * sockets
    assert left < 100_000
