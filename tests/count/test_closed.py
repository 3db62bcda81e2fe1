"""Which sockets are over and still held: what follows from numbers and looks, one after the other."""

from collections.abc import Iterable, Mapping

import pytest

from exporter.count.closed import MANY, STEADY_SECONDS, Closed, ClosedHeld
from exporter.tcp.closed import Look
from exporter.tcp.holders import Process, Whose

WEB = Process(7, "nginx", "/web", 700)
WORKER = Process(8, "nginx", "/web", 800)
DATABASE = Process(9, "postgres", "/db", 900)


def closed(total: int | None = None, held: Mapping[Process, int] | None = None) -> ClosedHeld:
    """So many of the whole host, and of these processes."""
    made = ClosedHeld()
    made.note(total, 0.0)
    made.learn(Look({}, held or {}))
    return made


def after(*notes: tuple[float, int | None]) -> ClosedHeld:
    """What the kernel has said, by time."""
    made = ClosedHeld()
    for now, number in notes:
        made.note(number, now)
    return made


def listed(pids: Iterable[int] | None) -> list[int] | None:
    return None if pids is None else list(pids)


def test_before_the_first_number_nothing_is_known() -> None:
    assert ClosedHeld().total is None
    assert ClosedHeld().told(10) == Closed(None, 0)
    assert ClosedHeld().told(10).total == 0


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        pytest.param([(0, 40)], 40, id="a single one"),
        pytest.param([(0, 40), (10, 500), (20, 60)], 40, id="a burst"),
        pytest.param([(0, 40), (10, 0), (20, 60)], 0, id="there were none for a moment"),
        pytest.param([(0, 40), (STEADY_SECONDS, 50)], 40, id="as long as that counts"),
        pytest.param([(0, 40), (STEADY_SECONDS + 1, 50)], 50, id="what is longer ago does not"),
        pytest.param([(0, 10), (10, 20), (40, 30), (STEADY_SECONDS + 5, 40)], 20, id="more from minute to minute"),
    ],
)
def test_the_least_of_a_minute_counts(notes: list[tuple[float, int | None]], expected: int) -> None:
    assert after(*notes).total == expected


def test_where_the_kernel_does_not_tell_any_more_nothing_is_known() -> None:
    found = after((0, 40), (10, None))

    assert found.total is None
    assert found.told(10) == Closed()


def test_when_it_tells_again_the_least_of_the_last_minute_counts() -> None:
    assert after((0, 40), (10, None), (20, 50)).total == 40
    assert after((0, 40), (10, None), (STEADY_SECONDS + 1, 50)).total == 50


def test_who_has_sockets_in_two_looks_and_in_no_table_between_them_holds_closed_ones() -> None:
    found = ClosedHeld()
    found.learn(Look({WEB: {11, 12, 13}, DATABASE: {13, 14}}, {}))
    assert found.asked == {11, 12, 13, 14}
    assert found.by_process() == {}

    found.left({11, 12, 14})
    assert found.suspects == {11, 12, 14}
    assert found.asked == set()
    assert found.by_process() == {}

    found.learn(Look({WEB: {11, 12, 20}, DATABASE: {14}}, {WEB: 2, DATABASE: 0}))
    assert found.by_process() == {WEB: 2}
    assert found.asked == {11, 12, 14, 20}
    assert found.suspects == set()


def test_a_reading_that_was_not_asked_takes_nothing_away() -> None:
    """A look goes on over several samples."""
    found = ClosedHeld()
    found.learn(Look({WEB: {11, 12}}, {}))
    found.left({11})

    found.left(frozenset())

    assert found.suspects == {11}


def test_one_that_was_in_a_table_is_no_suspect() -> None:
    found = ClosedHeld()
    found.learn(Look({WEB: {11}}, {}))

    found.left(frozenset())

    assert found.suspects == set()
    assert found.asked == set()


def test_who_has_none_in_the_next_look_holds_none_any_more() -> None:
    found = closed(40, {WEB: 30, DATABASE: 10})

    found.learn(Look({WEB: {11}, DATABASE: {14}}, {WEB: 0, DATABASE: 10}))

    assert found.by_process() == {DATABASE: 10}


def test_who_has_most_is_told_first() -> None:
    assert list(closed(40, {DATABASE: 10, WEB: 30}).by_process().items()) == [(WEB, 30), (DATABASE, 10)]


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (100, {WEB: 50, DATABASE: 30}),
        (80, {WEB: 50, DATABASE: 30}),
        (60, {WEB: 50, DATABASE: 10}),
        (50, {WEB: 50}),
        (20, {WEB: 20}),
        (0, {}),
        (None, {WEB: 50, DATABASE: 30}),
    ],
)
def test_nobody_is_told_to_hold_more_than_there_are(total: int | None, expected: Mapping[Process, int]) -> None:
    assert closed(total, {WEB: 50, DATABASE: 30}).by_process() == expected


def test_who_has_ended_holds_nothing() -> None:
    found = closed(100, {WEB: 50, DATABASE: 30})

    found.lose({WEB, WORKER})
    assert found.by_process() == {DATABASE: 30}

    found.lose(set())
    assert found.by_process() == {DATABASE: 30}


def test_processes_of_one_name_and_cgroup_are_told_together() -> None:
    told = closed(100, {WEB: 20, DATABASE: 30, WORKER: 15}).told(10)

    assert told == Closed({Whose("/web", "nginx"): 35, Whose("/db", "postgres"): 30}, 35)
    assert list(told.by_owner or ()) == [Whose("/web", "nginx"), Whose("/db", "postgres")]
    assert told.total == 100


def test_those_who_find_no_place_count_as_nobodys() -> None:
    found = closed(100, {WEB: 20, DATABASE: 30, WORKER: 15})

    assert found.told(1) == Closed({Whose("/web", "nginx"): 35}, 65)
    assert found.told(0) == Closed({}, 100)


def test_none_at_all_is_known_too() -> None:
    assert closed(0).told(10) == Closed({}, 0)


def test_where_their_number_is_not_known_those_that_were_found_are_told_all_the_same() -> None:
    found = closed(None, {WEB: 20, DATABASE: 30})

    assert found.told(10) == Closed({Whose("/db", "postgres"): 30, Whose("/web", "nginx"): 20}, 0)
    assert found.told(1) == Closed({Whose("/db", "postgres"): 30}, 20)


@pytest.mark.parametrize(
    ("total", "held", "expected"),
    [
        pytest.param(0, {}, [], id="there are none"),
        pytest.param(0, {WEB: 5}, [], id="there are none any more"),
        pytest.param(MANY - 1, {}, [], id="a few, that are being made"),
        pytest.param(MANY, {}, None, id="many that nobody is known to hold"),
        pytest.param(100, {WEB: 49}, None, id="many of which less than half are explained"),
        pytest.param(100, {WEB: 25, DATABASE: 25}, [7, 9, 3, 4], id="many that are explained by and large"),
        pytest.param(MANY - 1, {WEB: 1}, [], id="a few, some of which are known"),
        pytest.param(None, {}, [3, 4], id="not known how many"),
        pytest.param(None, {WEB: 5}, [7, 3, 4], id="not known how many, but of whom"),
    ],
)
def test_all_are_looked_into_only_where_those_who_are_known_do_not_explain_the_number(
    total: int | None, held: Mapping[Process, int], expected: list[int] | None
) -> None:
    assert listed(closed(total, held).whom([3, 4])) == expected


def test_who_holds_stuck_and_closed_sockets_is_looked_into_once() -> None:
    assert listed(closed(100, {WEB: 80, DATABASE: 10}).whom([DATABASE.pid, 3, WEB.pid, 3])) == [7, 9, 3]


def test_who_has_none_any_more_is_not_looked_into_for_them() -> None:
    assert listed(closed(None, {WEB: 0, DATABASE: 1}).whom([3])) == [9, 3]


def test_who_has_ended_is_not_looked_into_and_does_not_explain_the_others() -> None:
    found = closed(100, {WEB: 60, DATABASE: 10})
    assert listed(found.whom([])) == [7, 9]

    found.lose({WEB})

    assert found.whom([]) is None


def test_of_each_network_namespace_they_are_told_apart() -> None:
    names = {WEB: "shop/web", WORKER: "", DATABASE: "shop/web"}
    told = closed(100, {WEB: 20, DATABASE: 30, WORKER: 15}).told(10, names.__getitem__)

    assert told.by_owner == {
        Whose("/db", "postgres", "shop/web"): 30,
        Whose("/web", "nginx", "shop/web"): 20,
        Whose("/web", "nginx"): 15,
    }
