"""Stories of half-closed sockets: what each reading is told of their idleness, and what is made of it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest

from exporter.count.moving import CHECK_SECONDS
from exporter.count.watched import WatchedSockets
from exporter.tcp.sockets import Origin, Socket
from exporter.tcp.states import State
from exporter.tcp.verdicts import CLOSE, NOTHING, RECEIVES, SENDS, Verdict
from tests.count.readings import HERE, read

AFTER = {State.FIN_WAIT2: 60.0, State.CLOSE_WAIT: 60.0}
FIN_WAIT2 = Socket(State.FIN_WAIT2, 8080, 40000, HERE, cookie=1, inode=11)
CLOSE_WAIT = FIN_WAIT2._replace(state=State.CLOSE_WAIT, cookie=2)


class Shown(NamedTuple):
    """What a reading shows of the socket, and what is to be said of it then."""

    now: float
    socket: Socket
    idle: float | None
    stuck: int
    verdict: Verdict


STORIES: Mapping[str, Sequence[Shown]] = {
    "one on which no data has moved is stuck at the threshold": [
        Shown(0.0, FIN_WAIT2, None, 0, NOTHING),
        Shown(60.0, FIN_WAIT2, 60.0, 1, NOTHING),
    ],
    "one on which data moves is not stuck, however old": [
        Shown(0.0, FIN_WAIT2, None, 0, NOTHING),
        Shown(60.0, FIN_WAIT2, 1.0, 0, RECEIVES),
        Shown(3600.0, FIN_WAIT2, 2.0, 0, RECEIVES),
    ],
    "the process that still sends has not forgotten to close": [
        Shown(0.0, CLOSE_WAIT, None, 0, CLOSE),
        Shown(60.0, CLOSE_WAIT, 0.1, 0, SENDS),
    ],
    "one that stops moving is stuck after the threshold": [
        Shown(0.0, FIN_WAIT2, None, 0, NOTHING),
        Shown(60.0, FIN_WAIT2, 1.0, 0, RECEIVES),
        Shown(60.0 + CHECK_SECONDS, FIN_WAIT2, 31.0, 0, RECEIVES),
        Shown(60.0 + 2 * CHECK_SECONDS, FIN_WAIT2, 61.0, 1, NOTHING),
    ],
    "one that is stuck and moves again is not stuck": [
        Shown(0.0, CLOSE_WAIT, None, 0, CLOSE),
        Shown(60.0, CLOSE_WAIT, 60.0, 1, CLOSE),
        Shown(60.0 + CHECK_SECONDS, CLOSE_WAIT, 3.0, 0, SENDS),
    ],
    "between two checks a row that changes is what the row before it was": [
        Shown(0.0, FIN_WAIT2, None, 0, NOTHING),
        Shown(60.0, FIN_WAIT2, 1.0, 0, RECEIVES),
        Shown(65.0, FIN_WAIT2._replace(receive_queue=9), None, 0, RECEIVES),
        Shown(70.0, FIN_WAIT2._replace(receive_queue=1), None, 0, RECEIVES),
    ],
    "a row that changes in the very reading that asks is judged by what is told of it": [
        Shown(0.0, FIN_WAIT2, None, 0, NOTHING),
        Shown(60.0, FIN_WAIT2._replace(receive_queue=9), 0.5, 0, RECEIVES),
    ],
    "data that moved before the state began does not matter": [
        Shown(0.0, CLOSE_WAIT, 500.0, 0, CLOSE),
        Shown(60.0, CLOSE_WAIT, 560.0, 1, CLOSE),
    ],
    "data that came with the end of the stream is told to be as old as that, give or take a tick of the kernel's": [
        Shown(0.0, CLOSE_WAIT, 0.0, 0, CLOSE),
        Shown(60.0, CLOSE_WAIT, 59.99, 1, CLOSE),
    ],
    "a source that does not tell is taken to know of no movement": [
        Shown(0.0, FIN_WAIT2, None, 0, NOTHING),
        Shown(60.0, FIN_WAIT2, None, 1, NOTHING),
    ],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_stories(story: Sequence[Shown]) -> None:
    watched, told = WatchedSockets(), []
    for shown in story:
        origins = {shown.socket: Origin(idle=shown.idle)}
        read(watched, [shown.socket], shown.now, after=AFTER, origins=origins)
        told += [(group.stuck, group.alike.verdict) for group in watched.groups]

    assert told == [(shown.stuck, shown.verdict) for shown in story]


def test_the_kernel_is_asked_when_a_socket_gets_old_and_then_from_time_to_time() -> None:
    watched = WatchedSockets()
    read(watched, [FIN_WAIT2], 0.0, after=AFTER)
    assert not watched.seen(25.0).asks
    read(watched, [FIN_WAIT2], 45.0, after=AFTER)

    assert watched.seen(60.0).asks
    read(watched, [FIN_WAIT2], 60.0, after=AFTER)
    assert not watched.seen(65.0).asks
    assert watched.seen(60.0 + CHECK_SECONDS).asks


def test_one_that_a_reading_lacks_when_it_gets_old_is_judged_by_the_next() -> None:
    """A dump of a table that changes can miss a socket, and then tells nothing of its data."""
    watched = WatchedSockets()
    read(watched, [FIN_WAIT2], 0.0, after=AFTER)
    read(watched, [], 60.0, after=AFTER)
    read(watched, [FIN_WAIT2], 61.0, after=AFTER, origins={FIN_WAIT2: Origin(idle=0.1)})

    assert [(group.stuck, group.alike.verdict) for group in watched.groups] == [(0, RECEIVES)]


@pytest.mark.parametrize(
    "socket",
    [FIN_WAIT2._replace(inode=0, timer=3), CLOSE_WAIT._replace(inode=0), FIN_WAIT2._replace(state=State.LAST_ACK)],
)
def test_of_what_no_process_holds_or_nobody_waits_for_the_kernel_is_not_asked(socket: Socket) -> None:
    watched = WatchedSockets()
    for now in (0.0, 25.0, 50.0, 75.0):
        read(watched, [socket], now, after={**AFTER, State.LAST_ACK: 60.0})

    assert not watched.seen(100.0).asks
