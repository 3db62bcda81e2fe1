import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.show.formats import Format, Variant
from exporter.show.scrapes import REMEMBERED, Scrapes

PLAIN = Variant(Format.TEXT_0_0_4, gzip=False)
ZIPPED = Variant(Format.OPENMETRICS_1_0_0, gzip=True)
INTERVAL = 5.0


def is_expected(*times: float, now: float) -> bool:
    """Whether who asked at these *times*, after a report each, is expected between *now* and the next report."""
    scrapes = Scrapes()
    for time in times:
        scrapes.expected(time - 0.01, INTERVAL)
        scrapes.note(PLAIN, time)
    return PLAIN in scrapes.expected(now, INTERVAL)


def test_who_has_asked_once_is_not_expected() -> None:
    assert not any(is_expected(15, now=now) for now in range(15, 60))


@pytest.mark.parametrize(
    ("now", "expected"),
    [(31, False), (36, False), (39, False), (41, True), (44.9, True), (46, True), (49, True), (51, False)],
)
def test_who_keeps_a_pace_is_expected_just_before_it_is_time_and_a_little_later(now: float, expected: bool) -> None:  # noqa: FBT001
    assert is_expected(0, 15, 30, now=now) is expected


def test_who_misses_a_scrape_is_expected_at_the_next_but_not_for_ever() -> None:
    assert is_expected(0, 15, 30, now=57)
    assert not any(is_expected(0, 15, 30, now=now) for now in range(66, 1000))


def test_a_scrape_at_the_time_of_the_next_sample_may_come_before_it() -> None:
    assert is_expected(0, 15, 30, now=39.7)


def test_two_who_take_turns_at_uneven_distances_are_both_expected() -> None:
    """Prometheus servers come in pairs."""
    assert is_expected(0, 3, 15, 18, now=26)
    assert is_expected(0, 3, 15, 18, 30, now=31)


def test_all_who_ask_after_one_report_are_one() -> None:
    scrapes = Scrapes()
    scrapes.expected(0.0, INTERVAL)
    for time in (0.1, 2.5, 4.9):
        scrapes.note(PLAIN, time)

    assert scrapes.expected(5.0, INTERVAL) == []


def test_each_variant_has_its_own_times() -> None:
    scrapes = Scrapes()
    for time in (0.0, 5.0):
        scrapes.expected(time, INTERVAL)
        scrapes.note(ZIPPED, time + 1)
    scrapes.note(PLAIN, 6.0)

    assert scrapes.expected(10.0, INTERVAL) == [ZIPPED]


@given(st.lists(st.floats(0, 1e6)))
def test_whatever_the_times_only_a_few_are_remembered(times: list[float]) -> None:
    scrapes = Scrapes()
    for time in sorted(times):
        scrapes.expected(time, INTERVAL)
        scrapes.note(PLAIN, time)

    assert len(scrapes._times[PLAIN]) <= REMEMBERED
