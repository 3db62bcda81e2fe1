import gzip
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from exporter.show.exposition import WANTED_SECONDS, Exposition
from exporter.show.formats import Format, Variant

TEXT = Variant(Format.TEXT_0_0_4, gzip=False)
ZIPPED = Variant(Format.TEXT_0_0_4, gzip=True)
OPENMETRICS = Variant(Format.OPENMETRICS_1_0_0, gzip=False)


class Counting(Collector):
    """Says how often it has been collected."""

    def __init__(self) -> None:
        self.times = 0

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        self.times += 1
        yield GaugeMetricFamily("times", "Collections.", value=self.times)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[Exposition, Counting, Clock]:
    registry, counting, clock = CollectorRegistry(), Counting(), Clock()
    registry.register(counting)
    exposition = Exposition(lambda: ["head 1\n"], registry, clock)
    exposition.refresh(valid_until=200.0)
    return exposition, counting, clock


def test_a_format_is_rendered_once_for_all_who_ask() -> None:
    exposition, counting, _ = made()

    first = exposition.render(TEXT)

    assert b"times 1.0\n" in first
    assert exposition.render(TEXT) is first
    assert exposition.ready(TEXT) is first
    assert counting.times == 1


def test_nothing_is_rendered_before_somebody_asks() -> None:
    exposition, counting, _ = made()

    assert exposition.ready(TEXT) is None
    assert counting.times == 0


def test_a_format_that_was_asked_for_is_ready_after_the_next_sample() -> None:
    exposition, _, _ = made()
    exposition.ready(TEXT)
    exposition.render(TEXT)

    exposition.refresh(valid_until=200.0)

    assert b"times 2.0\n" in (exposition.ready(TEXT) or b"")


def test_a_format_that_nobody_asks_for_any_more_is_not_rendered() -> None:
    exposition, counting, clock = made()
    exposition.ready(TEXT)
    clock.now += WANTED_SECONDS + 1

    exposition.refresh(valid_until=1000.0)

    assert counting.times == 0


def test_gzip_is_of_the_same_bytes() -> None:
    exposition, counting, _ = made()

    assert gzip.decompress(exposition.render(ZIPPED)) == exposition.render(TEXT).replace(b"2.0", b"1.0")
    assert exposition.render(ZIPPED) is exposition.render(ZIPPED)
    assert counting.times == 2


def test_the_head_comes_before_what_is_collected_in_every_format() -> None:
    exposition, _, _ = made()

    assert exposition.render(TEXT).startswith(b"head 1\n# HELP times ")
    assert exposition.render(OPENMETRICS).startswith(b"head 1\n# HELP times ")


def test_openmetrics_ends_as_it_must() -> None:
    exposition, _, _ = made()

    assert exposition.render(OPENMETRICS).endswith(b"# EOF\n")


def test_bytes_that_got_too_old_are_rendered_anew() -> None:
    """The sampling thread may hang; what it said last must not be served for ever."""
    exposition, _, clock = made()
    exposition.render(TEXT)
    clock.now = 200.5

    assert exposition.ready(TEXT) is None
    assert b"times 2.0\n" in exposition.render(TEXT)
    assert b"times 2.0\n" in exposition.render(TEXT)
