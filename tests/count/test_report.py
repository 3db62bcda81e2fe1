import pytest

from exporter.count.census import Bounds, Census
from exporter.count.report import MISSED_INTERVALS, REASONS, Reload, Report, Sample
from exporter.errors import SAMPLE_ERRORS
from exporter.tcp.limits import Limits

CENSUS = Census(sockets={}, shown={}, accept_queues={}, own=Bounds(Limits()))


SAMPLE = Sample(CENSUS, at=0.0, now=100.0, seconds=0.1)


def report(*, succeeded: bool = True, last: Sample | None = SAMPLE) -> Report:
    return Report("sock_diag", 5.0, Reload(succeeded=True, succeeded_at=0.0), last, succeeded=succeeded)


@pytest.mark.parametrize(("now", "is_stale"), [(100.0, False), (115.0, False), (115.1, True)])
def test_a_census_speaks_for_the_host_for_three_intervals(now: float, *, is_stale: bool) -> None:
    assert MISSED_INTERVALS == 3
    assert report().is_stale(now) is is_stale
    assert (report().census(now) is None) is is_stale
    assert report().is_up(now) is not is_stale


def test_the_census_before_a_failure_is_told_but_the_exporter_is_not_up() -> None:
    failed = report(succeeded=False)

    assert failed.census(105.0) is CENSUS
    assert not failed.is_up(105.0)


def test_without_a_sample_there_is_nothing_to_tell() -> None:
    assert report(last=None).census(0.0) is None
    assert report(last=None).is_stale(0.0)


def test_every_failure_has_a_reason() -> None:
    assert {error.reason for error in SAMPLE_ERRORS} < set(REASONS)
    assert len(set(REASONS)) == len(REASONS)
