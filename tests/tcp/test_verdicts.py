import pytest

from exporter.tcp.sockets import Socket
from exporter.tcp.states import State, Timer
from exporter.tcp.verdicts import (
    ACCEPT,
    CLOSE,
    CLOSE_WITH_KEEPALIVE,
    FIN_TIMEOUT,
    KEEPALIVE,
    NOTHING,
    READ,
    READ_WITH_KEEPALIVE,
    VERDICTS,
    Verdict,
    is_never_stuck,
    verdict,
)
from tests.kernel.readings import MAKERS, Make, watched
from tests.lab import recipes
from tests.lab.netns import Pair
from tests.lab.recipes import FAMILIES, Family, Recipe
from tests.lab.witness import wait_for

EXPECTED = {
    recipes.fin_wait2_held: NOTHING,
    recipes.fin_wait2_held_with_keepalive: KEEPALIVE,
    recipes.fin_wait2_mini: FIN_TIMEOUT,
    recipes.fin_wait2_full_orphan: FIN_TIMEOUT,
    recipes.close_wait_held: CLOSE,
    recipes.close_wait_unaccepted: ACCEPT,
    recipes.close_wait_unread: READ,
    recipes.close_wait_read: CLOSE,
}


def socket(state: State, inode: int | None = None, timer: Timer = Timer.NONE, queue: int = 0) -> Socket:
    return Socket(state, 80, 40000, b"", 1, timer=timer, receive_queue=queue, inode=inode)


@pytest.mark.parametrize("timer", list(Timer))
@pytest.mark.parametrize("inode", [0, 4711])
@pytest.mark.parametrize("queue", [0, 1, 7])
@pytest.mark.parametrize("state", VERDICTS)
def test_whatever_the_kernel_shows_there_is_a_verdict(state: State, queue: int, inode: int, timer: Timer) -> None:
    assert verdict(socket(state, inode, timer, queue)) in VERDICTS[state]


@pytest.mark.parametrize("state", [state for state in State if state not in VERDICTS])
def test_other_states_have_none(state: State) -> None:
    assert verdict(socket(state, inode=1)) is None


@pytest.mark.parametrize("state", VERDICTS)
def test_a_source_that_does_not_tell_inodes_allows_none(state: State) -> None:
    assert verdict(socket(state)) is None


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (socket(State.FIN_WAIT2, inode=0, timer=Timer.TIME_WAIT), FIN_TIMEOUT),
        (socket(State.FIN_WAIT2, inode=0, timer=Timer.KEEPALIVE), FIN_TIMEOUT),
        (socket(State.FIN_WAIT2, inode=1, timer=Timer.KEEPALIVE), KEEPALIVE),
        (socket(State.FIN_WAIT2, inode=1, timer=Timer.RETRANSMISSION), NOTHING),
        (socket(State.FIN_WAIT2, inode=1), NOTHING),
        (socket(State.FIN_WAIT2, inode=1, queue=7), NOTHING),
        (socket(State.CLOSE_WAIT, inode=0, queue=1), ACCEPT),
        (socket(State.CLOSE_WAIT, inode=0), ACCEPT),
        (socket(State.CLOSE_WAIT, inode=1, queue=2), READ),
        (socket(State.CLOSE_WAIT, inode=1, queue=1), CLOSE),
        (socket(State.CLOSE_WAIT, inode=1), CLOSE),
        (socket(State.CLOSE_WAIT, inode=1, timer=Timer.KEEPALIVE), CLOSE_WITH_KEEPALIVE),
        (socket(State.CLOSE_WAIT, inode=1, timer=Timer.KEEPALIVE, queue=1), CLOSE_WITH_KEEPALIVE),
        (socket(State.CLOSE_WAIT, inode=1, timer=Timer.KEEPALIVE, queue=2), READ_WITH_KEEPALIVE),
    ],
)
def test_inode_timer_and_queue_tell_how_a_socket_ends(one: Socket, expected: Verdict) -> None:
    assert verdict(one) == expected


def test_a_verdict_has_a_label_and_a_word() -> None:
    found = {
        state: list(dict.fromkeys((one.label, one.word) for one in verdicts)) for state, verdicts in VERDICTS.items()
    }

    assert found == {
        State.FIN_WAIT2: [
            ("ends_by", "fin_timeout"),
            ("ends_by", "keepalive"),
            ("ends_by", "transfer"),
            ("ends_by", "nothing"),
        ],
        State.CLOSE_WAIT: [
            ("waits_for", "accept"),
            ("waits_for", "read"),
            ("waits_for", "transfer"),
            ("waits_for", "close"),
        ],
    }


def test_only_what_the_kernel_is_about_to_remove_ends_by_itself() -> None:
    """Keepalive removes a socket only if the peer is gone."""
    verdicts = [one for of_state in VERDICTS.values() for one in of_state]

    assert [one for one in verdicts if one.ends_by_itself] == [FIN_TIMEOUT]
    assert [one for one in verdicts if one.ends_with_peer] == [KEEPALIVE, READ_WITH_KEEPALIVE, CLOSE_WITH_KEEPALIVE]


@pytest.mark.parametrize(
    ("state", "retransmissions", "expected"),
    [
        (State.SYN_RECV, 0, True),
        (State.SYN_RECV, 1, False),
        (State.SYN_RECV, None, False),
        (State.SYN_SENT, 0, False),
        (State.LAST_ACK, 0, False),
    ],
)
def test_a_request_that_has_been_answered_is_never_stuck(
    state: State, retransmissions: int | None, *, expected: bool
) -> None:
    """It waits for data, by the wish of a server with TCP_DEFER_ACCEPT."""
    assert is_never_stuck(socket(state, inode=0)._replace(retransmissions=retransmissions)) is expected


@pytest.mark.kernel
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("recipe", EXPECTED, ids=lambda recipe: recipe.__name__)
def test_real_sockets_get_the_verdict_that_they_deserve(recipe: Recipe, family: Family, make: Make, pair: Pair) -> None:
    with recipe(pair, family, 3) as made:
        # The last recv of a recipe may be a moment later than what it made the kernel count.
        wait_for(
            lambda: [verdict(one) for one in watched(make, made.place, made.state)] == [EXPECTED[recipe]] * 3,
            f"three sockets with the verdict {EXPECTED[recipe].word}",
        )


def test_every_recipe_of_a_state_with_verdicts_is_tried() -> None:
    names = {name for name in recipes.RECIPES if name.startswith(("fin_wait2", "close_wait"))}

    assert names == {recipe.__name__ for recipe in EXPECTED}
