"""Stories about sockets: what each reading sees, and how old each socket is held to be."""

from collections.abc import Mapping

import pytest

from exporter.count.tracker import BEHIND_SECONDS, Tracker
from exporter.tcp.sockets import Socket
from exporter.tcp.states import State, Timer

FIN_WAIT2 = Socket(State.FIN_WAIT2, 40000, 443, b"peer", cookie=1)
CLOSE_WAIT = FIN_WAIT2._replace(state=State.CLOSE_WAIT)
OTHER = FIN_WAIT2._replace(cookie=2)
WITHOUT_COOKIE = FIN_WAIT2._replace(cookie=0, inode=77)

Story = Mapping[float, Mapping[Socket, float]]
"""By time of the reading, the sockets that it sees and the ages that are expected."""

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
    "what was silent at first sight is that old": {0: {FIN_WAIT2._replace(silence=90.0): 90}, 5: {FIN_WAIT2: 95}},
    "keepalive breaks the silence, so it tells nothing": {
        0: {FIN_WAIT2._replace(silence=90.0, timer=Timer.KEEPALIVE): 0}
    },
    "in other states silence tells nothing": {0: {FIN_WAIT2._replace(state=State.LAST_ACK, silence=90.0): 0}},
    "the silence of a socket that is known does not matter": {
        0: {FIN_WAIT2: 0},
        60: {FIN_WAIT2._replace(silence=7.0): 60},
    },
    "a source that has cookies knows nothing of one that has none": {0: {WITHOUT_COOKIE: 0}, 5: {FIN_WAIT2: 0}},
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_ages(story: Story) -> None:
    tracker = Tracker()
    for now, expected in story.items():
        tracker.begin(now)
        since = {one: tracker.since(one) for one in expected}
        tracker.end()

        assert {one: now - time for one, time in since.items() if time is not None} == expected
        assert len(tracker) == len(expected)


def test_a_socket_that_a_reading_shows_twice_is_seen_once() -> None:
    tracker = Tracker()
    tracker.begin(0)

    assert tracker.since(FIN_WAIT2) == 0
    assert tracker.since(FIN_WAIT2) is None
    assert len(tracker) == 1


def test_a_reading_that_fails_half_way_loses_no_age() -> None:
    tracker = Tracker()
    tracker.begin(0)
    tracker.since(FIN_WAIT2)
    tracker.since(OTHER)
    tracker.end()

    tracker.begin(5)
    tracker.since(FIN_WAIT2)
    tracker.begin(6)

    assert (tracker.since(FIN_WAIT2), tracker.since(OTHER)) == (0, 0)


def test_nothing_is_left_of_sockets_that_are_gone() -> None:
    tracker = Tracker()
    for now in range(4):
        tracker.begin(now)
        if now < 2:
            tracker.since(FIN_WAIT2)
        tracker.end()

    assert len(tracker) == 0
    assert not tracker.knows(FIN_WAIT2.identity)
    assert not any(tracker._times.values())


def test_silence_is_asked_for_at_first_and_after_a_gap() -> None:
    tracker = Tracker()
    assert tracker.is_behind(0)

    tracker.begin(0)
    tracker.end()

    assert not tracker.is_behind(BEHIND_SECONDS)
    assert tracker.is_behind(BEHIND_SECONDS + 1)
