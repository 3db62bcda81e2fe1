from exporter.sampling import pace
from exporter.sampling.pace import Pace


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


def test_the_interval_stretches_as_far_as_the_share_of_the_processor_asks() -> None:
    found = steady().after(now=101.0, cpu=1.0)

    assert found.interval == 20.0
    assert found.due == 120.0


def test_a_stretched_interval_comes_back_slowly_and_not_below_the_configured_one() -> None:
    found = steady().after(now=101.0, cpu=1.0)
    intervals = []
    for _ in range(20):
        found = found.after(now=found.due, cpu=0.01)
        intervals.append(found.interval)

    assert intervals[0] == 18.0
    assert intervals == sorted(intervals, reverse=True)
    assert intervals[-1] == 5.0


def test_another_configuration_is_followed_from_now() -> None:
    found = steady().after(now=101.0, cpu=1.0).follow(configured=1.0, max_cpu=1.0, now=102.0)

    assert (found.interval, found.due) == (1.0, 102.0)
