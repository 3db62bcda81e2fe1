import gzip
from collections.abc import Iterator
from dataclasses import replace

from prometheus_client.core import GaugeMetricFamily, Metric

from exporter.count.report import Report
from exporter.show.exposition import Exposition
from exporter.show.formats import Format, Variant
from tests.show import samples

TEXT = Variant(Format.TEXT_0_0_4, gzip=False)
ZIPPED = Variant(Format.TEXT_0_0_4, gzip=True)
OPENMETRICS = Variant(Format.OPENMETRICS_1_0_0, gzip=False)


class Exporter:
    """An exposition of a report from the time 1000, which says how often it has been collected."""

    def __init__(self) -> None:
        self.now, self.times = 1000.0, 0
        self.exposition = Exposition(self._collect, lambda: self.now)
        self.exposition.publish(self.report())

    def _collect(self) -> Iterator[Metric]:
        self.times += 1
        yield GaugeMetricFamily("times", "Collections.", value=self.times)

    def report(self) -> Report:
        return samples.report(last=samples.sample(self.now))

    def sample(self, at: float) -> int:
        """How often the metrics are rendered when a report is published at that time."""
        before, self.now = self.times, at
        self.exposition.publish(self.report())
        return self.times - before

    def scrape(self, at: float) -> bool:
        """Whether who asks at that time finds the metrics ready."""
        self.now = at
        is_ready = self.exposition.ready(TEXT) is not None
        self.exposition.render(TEXT)
        return is_ready


def test_a_format_is_rendered_once_for_all_who_ask() -> None:
    made = Exporter()

    first = made.exposition.render(TEXT)

    assert b"times 1.0\n" in first
    assert made.exposition.render(TEXT) is first
    assert made.exposition.ready(TEXT) is first
    assert made.times == 1


def test_nothing_is_rendered_before_somebody_asks() -> None:
    made = Exporter()

    assert made.exposition.ready(TEXT) is None
    assert made.times == 0


def test_a_format_that_was_asked_for_is_ready_after_the_next_sample() -> None:
    made = Exporter()
    made.scrape(at=1001.0)
    made.sample(at=1005.0)
    made.scrape(at=1006.0)

    made.sample(at=1010.0)

    assert b"times 3.0\n" in (made.exposition.ready(TEXT) or b"")


def test_of_the_samples_between_two_scrapes_only_the_last_is_rendered() -> None:
    made = Exporter()
    found, rendered = [], []
    for time in range(1005, 1065, 5):
        rendered.append(made.sample(time))
        if time % 15 == 0:
            found.append(made.scrape(time + 1.0))

    assert found == [False, False, True, True]
    assert rendered == [0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0]


def test_a_format_that_nobody_asks_for_any_more_is_not_rendered() -> None:
    made = Exporter()
    for time in (1005.0, 1010.0):
        made.sample(time)
        made.scrape(time + 1.0)

    assert [made.sample(time) for time in (1015.0, 1020.0, 1025.0, 1030.0)] == [1, 1, 0, 0]


def test_gzip_is_of_the_same_bytes() -> None:
    made = Exporter()

    zipped = made.exposition.render(ZIPPED)

    assert gzip.decompress(zipped) == made.exposition.render(TEXT).replace(b"times 2.0", b"times 1.0")
    assert made.exposition.render(ZIPPED) is zipped
    assert made.times == 2


def test_all_families_are_there_in_every_format() -> None:
    made = Exporter()

    for variant in (TEXT, OPENMETRICS):
        found = made.exposition.render(variant)
        assert found.startswith(b"# HELP tcpstate_sockets ")
        assert found.index(b"\ntcpstate_up 1.0\n") < found.index(b"\n# HELP times ")


def test_openmetrics_ends_as_it_must() -> None:
    assert Exporter().exposition.render(OPENMETRICS).endswith(b"# EOF\n")


def test_bytes_that_got_too_old_are_rendered_anew() -> None:
    """The sampling thread may hang; what it said last must not be served for ever."""
    made = Exporter()
    assert b"\ntcpstate_sockets{" in made.exposition.render(TEXT)
    made.now = made.report().stale_at + 0.5

    assert made.exposition.ready(TEXT) is None
    assert b"times 2.0\n" in made.exposition.render(TEXT)
    assert b"times 2.0\n" in made.exposition.render(TEXT)
    assert b"\ntcpstate_sockets{" not in made.exposition.render(TEXT)


def test_without_any_good_sample_there_are_no_rows() -> None:
    made = Exporter()
    made.exposition.publish(replace(made.report(), last=None))

    assert made.exposition.render(TEXT).startswith(b"# HELP tcpstate_up ")
