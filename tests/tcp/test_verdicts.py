import pytest

from exporter.tcp.sockets import Socket
from exporter.tcp.states import State, Timer
from exporter.tcp.verdicts import VERDICTS, verdict
from tests.kernel.readings import MAKERS, Make, watched
from tests.lab import recipes
from tests.lab.netns import Pair
from tests.lab.recipes import FAMILIES, Family, Recipe
from tests.lab.witness import wait_for

EXPECTED = {
    recipes.fin_wait2_held: "nothing",
    recipes.fin_wait2_held_with_keepalive: "keepalive",
    recipes.fin_wait2_mini: "fin_timeout",
    recipes.fin_wait2_full_orphan: "fin_timeout",
    recipes.close_wait_held: "read",
    recipes.close_wait_unaccepted: "accept",
    recipes.close_wait_unread: "read",
    recipes.close_wait_read: "close",
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
    assert verdict(socket(state, inode=1)) == ""


def test_a_source_that_does_not_tell_inodes_allows_none() -> None:
    assert verdict(socket(State.FIN_WAIT2)) == ""


@pytest.mark.kernel
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("recipe", EXPECTED, ids=lambda recipe: recipe.__name__)
def test_real_sockets_get_the_verdict_that_they_deserve(recipe: Recipe, family: Family, make: Make, pair: Pair) -> None:
    with recipe(pair, family, 3) as made:
        # The last recv of a recipe may be a moment later than what it made the kernel count.
        wait_for(
            lambda: [verdict(one) for one in watched(make, made.place, made.state)] == [EXPECTED[recipe]] * 3,
            f"three sockets that wait for {EXPECTED[recipe]}",
        )


def test_every_recipe_of_a_state_with_verdicts_is_tried() -> None:
    names = {name for name in recipes.RECIPES if name.startswith(("fin_wait2", "close_wait"))}

    assert names == {recipe.__name__ for recipe in EXPECTED}
