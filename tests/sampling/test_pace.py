from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sampling import pace
from exporter.sampling.pace import OWED_SECONDS, Pace


def steady() -> Pace:
    return pace.start(configured=5.0, max_cpu=0.05, now=100.0)


def test_the_first_sample_is_due_at_once() -> None:
    assert steady().due == 100.0


def test_ticks_do_not_drift_with_the_time_that_samples_take() -> None:
    found = steady()
    for _ in range(1000):
        found = found.after(now=found.due + 0.3, cpu=0.01)

    assert found.due == 100.0 + 1000 * 5.0
    assert found.skipped == 0


def test_ticks_that_pass_during_a_slow_sample_are_skipped_and_counted() -> None:
    found = steady().after(now=117.0, cpu=0.01)

    assert found.due == 120.0
    assert found.skipped == 3


def test_a_sample_that_ends_with_the_next_tick_skips_it() -> None:
    found = steady().after(now=105.0, cpu=0.01)

    assert (found.due, found.skipped) == (110.0, 1)


class Took(NamedTuple):
    """A sample of a simulation."""

    begun: float
    cpu: float
    interval: float
    """In force after it."""


def simulated(costs: Iterable[float], configured: float, max_cpu: float) -> list[Took]:
    """Samples that take these *costs* in turn, begun when they are due."""
    found, took = pace.start(configured, max_cpu, now=0.0), []
    for cpu in costs:
        begun, found = found.due, found.after(now=found.due + cpu, cpu=cpu)
        took.append(Took(begun, cpu, found.interval))
    return took


def shares(took: Sequence[Took], seconds: float) -> Iterator[float]:
    """Of the processor, in each time of so many *seconds* at least that a sample begins and another ends."""
    for first, one in enumerate(took):
        spent = 0.0
        for before, after in pairwise(took[first:]):
            spent += before.cpu
            if after.begun - one.begun >= seconds:
                yield spent / (after.begun - one.begun)
                break


CHEAP = 0.01
MINUTE, TEN_MINUTES = 60.0, 600.0


def test_the_interval_stretches_as_far_as_the_share_of_the_processor_asks_and_stays_so() -> None:
    took = simulated([0.3] * 100, configured=1.0, max_cpu=0.05)

    assert took[1].interval >= 6.0
    assert [one.interval for one in took[50:]] == pytest.approx([6.0] * 50, rel=0.01)


def test_what_becomes_dear_stretches_the_interval_with_the_second_sample() -> None:
    took = simulated([CHEAP] * 60 + [0.3] * 100, configured=1.0, max_cpu=0.05)

    assert [one.interval for one in took[:61]] == [1.0] * 61
    assert all(6.0 <= one.interval < 7.0 for one in took[61:])


def test_a_stretched_interval_is_back_with_the_first_cheap_sample() -> None:
    took = simulated([0.3] * 100 + [CHEAP] * 20, configured=1.0, max_cpu=0.05)

    assert [one.interval for one in took[100:]] == [1.0] * 20


def test_a_sample_that_is_dear_once_does_not_stretch_the_interval_and_is_paid_for_all_the_same() -> None:
    """A walk through 60,000 cgroups."""
    took = simulated([CHEAP] * 60 + [0.8] + [CHEAP] * 200, configured=1.0, max_cpu=0.05)

    assert {one.interval for one in took} == {1.0}
    assert max(shares(took, MINUTE)) <= 0.05


def test_the_first_sample_may_be_dear_too() -> None:
    took = simulated([0.8] + [CHEAP] * 200, configured=1.0, max_cpu=0.05)

    assert {one.interval for one in took} == {1.0}


def test_what_is_dearer_than_may_be_owed_is_waited_for_once() -> None:
    took = simulated([CHEAP] * 60 + [4.0] + [CHEAP] * 100, configured=1.0, max_cpu=0.05)

    assert took[60].interval == pytest.approx((4.0 - 0.05 * OWED_SECONDS) / 0.05)
    assert [one.interval for one in took[61:]] == [1.0] * 100


SMALL, ANY = st.floats(0, 0.025), st.floats(0, 20)
CONFIGURED, MAX_CPU = st.floats(0.1, 3600), st.floats(0.001, 1)


@given(usual=SMALL, dear=st.floats(0, 1.5), before=st.integers(0, 100))
def test_with_usual_samples_and_a_dear_one_each_minute_has_its_share(usual: float, dear: float, before: int) -> None:
    took = simulated([usual] * before + [dear] + [usual] * 150, configured=1.0, max_cpu=0.05)

    assert max(shares(took, MINUTE)) <= 0.05 * (1 + 1e-9)
    assert took[-1].interval == 1.0


@given(st.lists(ANY, min_size=2, max_size=60), CONFIGURED, MAX_CPU)
def test_whatever_samples_take_no_more_is_spent_than_the_share_and_what_may_be_owed(
    costs: list[float], configured: float, max_cpu: float
) -> None:
    took = simulated(costs, configured, max_cpu)

    for first, one in enumerate(took):
        spent = list(accumulate(before.cpu for before in took[first:]))
        seconds = [after.begun - one.begun for after in took[first + 1 :]]
        assert all(
            cpu <= max_cpu * (OWED_SECONDS + time) * (1 + 1e-9) for cpu, time in zip(spent, seconds, strict=False)
        )


@given(st.lists(SMALL | st.floats(0, 2), min_size=200, max_size=200))
def test_whatever_samples_take_ten_minutes_have_their_share_and_a_twentieth(costs: list[float]) -> None:
    took = simulated(costs, configured=5.0, max_cpu=0.05)

    assert max(shares(took, TEN_MINUTES)) <= 0.05 * 1.05 * (1 + 1e-9)


@given(st.lists(ANY, max_size=60), CONFIGURED, MAX_CPU)
def test_whatever_samples_took_the_interval_is_back_once_they_are_cheap(
    costs: list[float], configured: float, max_cpu: float
) -> None:
    took = simulated([*costs, *[0.0] * 3], configured, max_cpu)

    assert took[-1].interval == configured


def test_another_configuration_is_followed_from_now() -> None:
    found = steady().after(now=101.0, cpu=1.0).follow(configured=1.0, max_cpu=1.0, now=102.0)

    assert (found.interval, found.due) == (1.0, 102.0)


def test_a_hundred_configurations_in_a_second_are_paid_for() -> None:
    found = pace.start(configured=1.0, max_cpu=0.05, now=0.0)
    for reload in range(100):
        now = reload / 100
        found = found.follow(1.0, 0.05, now).after(now, 0.1)

    assert found.due + OWED_SECONDS == pytest.approx(100 * 0.1 / 0.05)


def test_what_is_owed_by_a_large_share_is_not_paid_by_a_small_one() -> None:
    """Else hours could go by without a sample."""
    found = pace.start(configured=1.0, max_cpu=1.0, now=0.0).after(1.0, 20.0).follow(1.0, 0.001, 2.0)

    assert found.after(2.0, 0.0).interval == 1.0


def test_what_a_sample_may_take_is_told_by_the_configured_interval() -> None:
    """By a stretched one the search for owners would keep it stretched."""
    assert steady().after(101.0, 2.0).after(121.0, 2.0).allowance == 0.25
