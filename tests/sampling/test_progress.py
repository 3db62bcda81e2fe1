import logging

import pytest

from exporter.count.report import MISSED_INTERVALS
from exporter.sampling.progress import FLOOR_SECONDS, Progress
from tests.sampling.scripts import Time


def progress(time: Time) -> Progress:
    return Progress(time.clocks().monotonic)


def test_it_is_fresh_for_some_intervals_after_an_attempt() -> None:
    time = Time()
    found = progress(time)
    found.note(60.0)

    time.now += MISSED_INTERVALS * 60.0
    assert found.is_fresh()
    time.now += 1
    assert not found.is_fresh()
    found.note(60.0)
    assert found.is_fresh()


def test_a_short_interval_is_no_reason_to_call_a_sample_too_long() -> None:
    time = Time()
    found = progress(time)
    found.note(0.1)

    time.now += FLOOR_SECONDS
    assert found.is_fresh()
    time.now += 0.1
    assert not found.is_fresh()


def test_before_the_first_attempt_has_ended_it_has_its_time_too() -> None:
    time = Time()
    found = progress(time)

    assert found.is_fresh()
    time.now += FLOOR_SECONDS + 1
    assert not found.is_fresh()


def test_that_it_stops_and_that_it_goes_on_is_one_line_each(caplog: pytest.LogCaptureFixture) -> None:
    time = Time()
    found = progress(time)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            for _ in range(20):
                time.now += 1
                found.look()
            found.note(1.0)
            found.look()

    stops = f"no sample for {FLOOR_SECONDS + 1:.0f} s: the one under way does not end"
    assert caplog.messages == [stops, "samples go on"] * 2
