"""How near holders are to their end: what is told of them from one sample to the next."""

from collections.abc import Mapping, Sequence

import pytest

from exporter.count.exhaustion import (
    LATELY_SECONDS,
    PACE_SECONDS,
    POINT_SECONDS,
    Exhaustion,
    Held,
    Holder,
    Known,
)
from exporter.tcp.holders import Descriptors, Process, Whose

WEB, WORKER, OTHER = (Process(pid, "nginx", "/web", 100 * pid) for pid in (7, 8, 9))
DATABASE = Process(20, "postgres", "/db", 2000)
LIMIT = 1000


def holding(sockets: int, *holders: Process) -> Held:
    """Stuck sockets that all of these hold together, told as the first one's."""
    return Held(Whose(holders[0].cgroup, holders[0].name), sockets, holders)


class Stage:
    """A host on which time goes by."""

    def __init__(self) -> None:
        self.exhaustion = Exhaustion()

    def follow(
        self,
        now: float,
        held: Sequence[Held],
        opened: Mapping[Process, int],
        closed: Mapping[Process, int] | None = None,
        most: int = 20,
    ) -> Sequence[Holder]:
        """What is told when so many descriptors are *opened*, each process having LIMIT at most."""
        descriptors = {process.pid: Descriptors(number, LIMIT) for process, number in opened.items()}
        return self.exhaustion.follow(held, Known(descriptors, closed or {}), now, most)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def names(told: Sequence[Holder]) -> list[tuple[str, int]]:
    return [(holder.process, holder.pid) for holder in told]


def test_who_holds_stuck_sockets_is_told_with_the_descriptors(stage: Stage) -> None:
    told = stage.follow(0.0, [holding(100, WEB), holding(30, DATABASE)], {WEB: 140, DATABASE: 50})

    assert told == [
        Holder(Whose("/web", "nginx"), 100, 7, Descriptors(140, LIMIT)),
        Holder(Whose("/db", "postgres"), 30, 20, Descriptors(50, LIMIT)),
    ]
    assert sorted(stage.exhaustion.pids()) == [7, 20]


def test_of_several_processes_the_fullest_is_told(stage: Stage) -> None:
    [told] = stage.follow(0.0, [holding(90, WEB, WORKER, OTHER)], {WEB: 40, WORKER: 60, OTHER: 50})

    assert (told.pid, told.descriptors) == (8, Descriptors(60, LIMIT))


def test_the_fullest_is_who_has_used_most_of_the_limit_and_not_who_has_most_open(stage: Stage) -> None:
    known = Known({7: Descriptors(200, 4096), 8: Descriptors(100, 128)}, {})

    assert known.fullest((WEB, WORKER)) == 8
    [told] = stage.exhaustion.follow([holding(90, WEB, WORKER)], known, 0.0, 20)
    assert (told.pid, told.descriptors) == (8, Descriptors(100, 128))


def test_of_several_processes_one_is_told_that_is_known(stage: Stage) -> None:
    assert Known({}, {}).fullest((WEB, WORKER)) == 0
    [told] = stage.follow(0.0, [holding(90, WEB, WORKER)], {WORKER: 60})

    assert told.pid == 8


def test_who_is_not_known_has_no_descriptors_to_tell_and_is_not_remembered(stage: Stage) -> None:
    told = stage.follow(0.0, [holding(100, WEB)], {})

    assert told == [Holder(Whose("/web", "nginx"), 100)]
    assert stage.exhaustion.pids() == []


def test_two_owners_whose_fullest_process_is_the_same_are_both_told(stage: Stage) -> None:
    """Some of its sockets it shares with another, of another name."""
    shared = Held(Whose("/web", "several"), 6, (WEB, Process(8, "helper", "/web")))

    told = stage.follow(0.0, [holding(100, WEB), shared], {WEB: 140})

    assert names(told) == [("nginx", 7), ("several", 7)]
    assert {holder.descriptors for holder in told} == {Descriptors(140, LIMIT)}


def test_a_process_is_called_as_the_owner_who_has_most_of_its_sockets_when_they_are_gone(stage: Stage) -> None:
    shared = Held(Whose("/web", "several"), 6, (WEB, Process(8, "helper", "/web")))
    stage.follow(0.0, [holding(100, WEB), shared], {WEB: 140})

    assert names(stage.follow(5.0, [], {WEB: 140})) == [("nginx", 7)]


def test_a_holder_is_remembered_when_the_stuck_sockets_are_gone_and_the_descriptors_are_not(stage: Stage) -> None:
    """Their peers have closed at last: then no dump shows them any more."""
    stage.follow(0.0, [holding(100, WEB)], {WEB: 140})

    for now in (5.0, 10.0, 3600.0):
        [told] = stage.follow(now, [], {WEB: 141})
        assert (told.cgroup, told.process, told.pid) == ("/web", "nginx", 7)
        assert told.descriptors == Descriptors(141, LIMIT)
    assert stage.exhaustion.pids() == [7]


def test_what_has_been_given_back_is_not_taken_any_more(stage: Stage) -> None:
    """The other 40 had nothing to do with it."""
    stage.follow(0.0, [holding(100, WEB)], {WEB: 140})

    told = [stage.follow(float(now), [], {WEB: opened}) for now, opened in ((5, 200), (10, 140), (15, 120), (20, 91))]

    assert [holder.taken for [holder] in told] == [100, 100, 80, 51]


def test_no_less_is_taken_than_what_is_stuck(stage: Stage) -> None:
    """Of the others some have been closed meanwhile."""
    stage.follow(0.0, [holding(100, WEB)], {WEB: 140})

    [told] = stage.follow(5.0, [holding(90, WEB)], {WEB: 95})

    assert told.taken == 90


@pytest.mark.parametrize(("opened", "remembered"), [(140, True), (91, True), (90, False), (40, False), (5, False)])
def test_a_holder_that_has_given_back_half_of_them_is_forgotten(opened: int, remembered: bool, stage: Stage) -> None:  # noqa: FBT001
    stage.follow(0.0, [holding(100, WEB)], {WEB: 140})

    assert (names(stage.follow(5.0, [], {WEB: opened})) == [("nginx", 7)]) == remembered
    assert (stage.exhaustion.pids() == [7]) == remembered


def test_a_holder_that_was_forgotten_is_not_told_when_it_has_as_many_open_again(stage: Stage) -> None:
    stage.follow(0.0, [holding(100, WEB)], {WEB: 140})
    assert stage.follow(5.0, [], {WEB: 40}) == []

    assert stage.follow(10.0, [], {WEB: 140}) == []


def test_when_they_were_most_counts_and_not_when_they_were_seen_last(stage: Stage) -> None:
    """The sockets leave the dumps little by little, and the descriptors stay."""
    for now, sockets in ((0.0, 20), (5.0, 100), (10.0, 60), (15.0, 1)):
        stage.follow(now, [holding(sockets, WEB)], {WEB: 40 + 100})

    [told] = stage.follow(20.0, [], {WEB: 140})
    assert told.taken == 100
    assert stage.follow(25.0, [], {WEB: 90}) == []


def test_what_has_been_opened_beside_them_is_none_of_what_they_took(stage: Stage) -> None:
    """They were as many then as they ever were."""
    stage.follow(0.0, [holding(100, WEB)], {WEB: 140})
    stage.follow(5.0, [holding(100, WEB)], {WEB: 340})

    [told] = stage.follow(10.0, [], {WEB: 300})
    assert told.taken == 60
    assert stage.follow(15.0, [], {WEB: 240}) == []


def test_a_process_that_has_ended_is_forgotten(stage: Stage) -> None:
    stage.follow(0.0, [holding(100, WEB)], {WEB: 140})

    assert stage.follow(5.0, [], {}) == []
    assert stage.exhaustion.pids() == []
    assert stage.follow(10.0, [], {WEB: 140}) == []


def test_an_owner_that_has_another_process_now_is_told_once(stage: Stage) -> None:
    """It was restarted, and leaks on."""
    stage.follow(0.0, [holding(100, WEB)], {WEB: 140})

    told = stage.follow(5.0, [holding(10, WORKER)], {WORKER: 50})

    assert told == [Holder(Whose("/web", "nginx"), 10, 8, Descriptors(50, LIMIT))]
    assert stage.exhaustion.pids() == [8]


def test_of_an_owner_another_process_of_which_still_is_burdened_the_fullest_is_told(stage: Stage) -> None:
    """Both are remembered: when the one has given all back the other is told."""
    stage.follow(0.0, [holding(100, WEB)], {WEB: 140, WORKER: 40})

    both = stage.follow(5.0, [holding(150, WEB, WORKER)], {WEB: 140, WORKER: 190})
    assert names(both) == [("nginx", 8)]
    assert sorted(stage.exhaustion.pids()) == [7, 8]

    assert names(stage.follow(10.0, [], {WEB: 140, WORKER: 10})) == [("nginx", 7)]


def test_stuck_sockets_of_several_processes_are_those_of_all_of_them_in_equal_parts(stage: Stage) -> None:
    """How many each has is not known: the fullest is not expected to give back those of the others."""
    stage.follow(0.0, [holding(90, WEB, WORKER, OTHER)], {WEB: 60, WORKER: 40, OTHER: 40})

    [told] = stage.follow(5.0, [], {WEB: 46, WORKER: 40, OTHER: 40})
    assert told.taken == 16
    assert stage.follow(10.0, [], {WEB: 45, WORKER: 40, OTHER: 40}) == []


def left(stage: Stage, *points: tuple[float, int]) -> float | None:
    """The time that is told in the end of a holder that has so many open, by time."""
    told = [stage.follow(now, [holding(10, WEB)], {WEB: opened}) for now, opened in points]
    return told[-1][0].seconds_left


def leak(seconds: float, pace: float, begin: int = 100, step: float = POINT_SECONDS) -> list[tuple[float, int]]:
    """Points of a steady leak of so many descriptors a second."""
    return [(step * number, round(begin + pace * step * number)) for number in range(int(seconds / step) + 1)]


@pytest.mark.parametrize("seconds", [LATELY_SECONDS, 2 * LATELY_SECONDS, PACE_SECONDS, 2 * PACE_SECONDS])
def test_a_steady_leak_tells_when_none_is_left(seconds: float, stage: Stage) -> None:
    points = leak(seconds, pace=1.0)

    assert left(stage, *points) == pytest.approx((LIMIT - points[-1][1]) / 1.0)


@pytest.mark.parametrize("step", [0.5, 1.0, 7.0, 45.0, 90.0])
def test_however_often_is_looked_the_pace_is_the_same(step: float, stage: Stage) -> None:
    points = leak(6 * 90.0, pace=1.0, step=step)

    assert left(stage, *points) == pytest.approx(LIMIT - points[-1][1], rel=0.02)


def test_before_there_is_a_minute_nothing_is_told(stage: Stage) -> None:
    assert left(stage, *leak(LATELY_SECONDS - POINT_SECONDS, pace=1.0)) is None


def test_a_burst_is_no_pace(stage: Stage) -> None:
    """Nothing has gone on for a minute after it."""
    burst = [*leak(60.0, pace=0.0), (65.0, 800)]
    after = [(65.0 + POINT_SECONDS * number, 800) for number in range(1, 14)]

    assert left(stage, *burst) is not None  # a leak that has just begun looks the same
    assert left(stage, *after) is None


def test_a_leak_that_was_and_does_not_go_on_is_no_pace(stage: Stage) -> None:
    before = leak(120.0, pace=2.0)
    last = before[-1][1]

    assert left(stage, *before, *((120.0 + at, last) for at in range(5, 66, 5))) is None
    assert left(stage, *((200.0 + at, last - 50) for at in range(5, 66, 5))) is None


def test_who_gives_descriptors_back_has_no_end_before_it(stage: Stage) -> None:
    assert left(stage, *leak(PACE_SECONDS, pace=-1.0, begin=900)) is None


def test_however_often_is_looked_no_more_is_remembered(stage: Stage) -> None:
    left(stage, *leak(2 * PACE_SECONDS, pace=1.0, step=0.5))

    assert len(stage.exhaustion._tracks[WEB.pid]._points) <= PACE_SECONDS / POINT_SECONDS + 2


def test_the_slower_of_the_paces_of_the_last_minutes_counts(stage: Stage) -> None:
    """One in the last minute that is faster may be a burst; one that is slower is what it has come down to."""
    slow, fast = leak(240.0, pace=0.5), leak(60.0, pace=2.0)

    faster = left(stage, *slow, *((240.0 + at, slow[-1][1] + opened - 100) for at, opened in fast[1:]))
    assert faster == pytest.approx((LIMIT - 340) / ((120 + 120) / 300))

    slower = left(Stage(), *leak(240.0, pace=2.0), *((240.0 + at, 580 + at // 2) for at in range(5, 61, 5)))
    assert slower == pytest.approx((LIMIT - 610) / 0.5)


def test_what_is_longer_ago_than_a_pace_is_measured_over_does_not_count(stage: Stage) -> None:
    """It was restarted with nothing open, and has leaked since then."""
    long_ago = [(at * 5.0, 900) for at in range(20)]
    since = [(100.0 + at, 100 + int(at)) for at, _ in leak(PACE_SECONDS + POINT_SECONDS, pace=1.0)]

    assert left(stage, *long_ago, *since) == pytest.approx(LIMIT - since[-1][1])


def test_one_that_has_none_left_has_no_time_left_either(stage: Stage) -> None:
    assert left(stage, *leak(100.0, pace=9.0)) == 0.0
    assert left(Stage(), *leak(120.0, pace=9.0)) == 0.0  # the limit was lowered


def test_the_pace_is_told_also_when_the_stuck_sockets_are_gone(stage: Stage) -> None:
    left(stage, *leak(60.0, pace=1.0))

    told = [stage.follow(60.0 + at, [], {WEB: 160 + at}) for at in range(5, 61, 5)]

    assert told[-1][0].seconds_left == pytest.approx(LIMIT - 220)


def test_the_first_ones_are_told_and_no_more_than_so_many(stage: Stage) -> None:
    everybody = [Process(pid, f"worker{pid}", "/web") for pid in range(1, 9)]
    held = [holding(100 - process.pid, process) for process in everybody]
    opened = dict.fromkeys(everybody, 140)

    assert names(stage.follow(0.0, held, opened, most=3)) == [("worker1", 1), ("worker2", 2), ("worker3", 3)]
    assert sorted(stage.exhaustion.pids()) == [1, 2, 3]
    assert stage.follow(5.0, held, opened, most=0) == []


def test_who_holds_stuck_sockets_goes_before_who_has_held_some(stage: Stage) -> None:
    stage.follow(0.0, [holding(100, WEB)], {WEB: 140, DATABASE: 60})
    opened = {WEB: 140, DATABASE: 60}

    assert names(stage.follow(5.0, [holding(10, DATABASE)], opened, most=2)) == [("postgres", 20), ("nginx", 7)]
    assert names(stage.follow(10.0, [holding(10, DATABASE)], opened, most=1)) == [("postgres", 20)]


def test_who_holds_closed_sockets_only_is_told_for_as_long_as_it_does(stage: Stage) -> None:
    """A peer has reset them: they have never been stuck."""
    [told] = stage.follow(0.0, [], {WEB: 140}, closed={WEB: 100})
    assert (told.cgroup, told.process, told.pid) == ("/web", "nginx", 7)
    assert (told.taken, told.descriptors) == (100, Descriptors(140, LIMIT))

    assert names(stage.follow(5.0, [], {WEB: 41}, closed={WEB: 1})) == [("nginx", 7)]
    assert stage.follow(10.0, [], {WEB: 40}) == []
    assert stage.exhaustion.pids() == []


def test_of_those_who_find_no_place_the_one_is_told_that_came_first(stage: Stage) -> None:
    """Who holds most closed sockets comes first, whatever its number; then it keeps its place."""
    most, second, third = (Process(pid, f"worker{pid}", "/web") for pid in (33, 8, 16))
    opened = dict.fromkeys((most, second, third), 140)

    assert names(stage.follow(0.0, [], opened, {most: 50, second: 10}, most=1)) == [("worker33", 33)]
    assert names(stage.follow(5.0, [], opened, {third: 60, most: 50, second: 10}, most=1)) == [("worker33", 33)]


def test_who_holds_closed_sockets_and_is_not_known_is_not_told(stage: Stage) -> None:
    assert stage.follow(0.0, [], {}, closed={WEB: 100}) == []
    assert stage.exhaustion.pids() == []


def test_who_holds_closed_sockets_and_is_not_known_any_more_is_forgotten(stage: Stage) -> None:
    assert stage.follow(0.0, [], {WEB: 140}, closed={WEB: 100})

    assert stage.follow(5.0, [], {}, closed={WEB: 100}) == []
    assert stage.exhaustion.pids() == []


def test_who_holds_stuck_and_closed_ones_is_told_once_as_their_owner(stage: Stage) -> None:
    held = Held(Whose("/web.service", "nginx"), 60, (WEB,))

    [told] = stage.follow(0.0, [held], {WEB: 140}, closed={WEB: 40})

    assert (told.cgroup, told.taken) == ("/web.service", 100)


def test_sockets_that_turn_from_stuck_to_closed_take_as_much_as_before(stage: Stage) -> None:
    for now, stuck in ((0.0, 100), (5.0, 60), (10.0, 1)):
        [told] = stage.follow(now, [holding(stuck, WEB)], {WEB: 140}, closed={WEB: 100 - stuck})
        assert told.taken == 100
    [told] = stage.follow(15.0, [], {WEB: 140}, closed={WEB: 100})

    assert told.taken == 100


def test_a_leak_of_closed_sockets_tells_when_none_is_left(stage: Stage) -> None:
    told = [stage.follow(now, [], {WEB: opened}, closed={WEB: 50}) for now, opened in leak(120.0, pace=1.0)]

    assert told[-1][0].seconds_left == pytest.approx(LIMIT - 220)


def test_one_program_in_two_network_namespaces_is_two_holders(stage: Stage) -> None:
    web, pod = Whose("/web", "nginx"), Whose("/web", "nginx", "shop/web")
    told = stage.follow(0.0, [Held(web, 60, (WEB,)), Held(pod, 40, (WORKER,))], {WEB: 140, WORKER: 90})

    assert [(holder.whose, holder.taken, holder.pid) for holder in told] == [(web, 60, 7), (pod, 40, 8)]


def test_who_has_given_nothing_back_is_told_in_its_namespace_after_its_sockets_have_gone(stage: Stage) -> None:
    pod = Whose("/web", "nginx", "shop/web")
    stage.follow(0.0, [Held(pod, 60, (WEB,))], {WEB: 140})

    [told] = stage.follow(5.0, [], {WEB: 140})

    assert told.whose == pod
    assert (stage.exhaustion.netns(WEB.pid), stage.exhaustion.netns(WORKER.pid)) == ("shop/web", None)


def test_who_has_only_closed_sockets_is_told_in_the_namespace_that_is_known_of_it(stage: Stage) -> None:
    known = Known({7: Descriptors(140, LIMIT)}, {WEB: 60}, lambda process: f"of {process.pid}")

    [told] = stage.exhaustion.follow([], known, 0.0, 20)

    assert told.whose == Whose("/web", "nginx", "of 7")
