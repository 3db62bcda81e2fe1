"""What the sampling loop does when samples fail, take long, or follow other rules; source and time are scripts."""

import gc
import logging
from threading import Thread

import pytest

from exporter.count.report import REASONS, Report
from exporter.errors import ExporterError, Malformed, SourceUnavailable, TimedOut
from exporter.logs.seldom import AT_ONCE, REST_SECONDS
from exporter.sampling.sample import Sampling
from exporter.sampling.sampler import Sampler
from exporter.settings.config import Config
from exporter.tcp.states import State
from tests.lab.witness import wait_for
from tests.sampling.scripts import Script, Sources, Time


class Stage:
    """A sampler with its reports."""

    def __init__(self, *scripts: Script, config: Config | None = None) -> None:
        self.time = Time()
        self.reports: list[Report] = []
        self.sources = Sources(*scripts)
        clocks, config = self.time.clocks(), config or Config()
        self.sampler = Sampler(Sampling(config, clocks, self.sources), config, self.reports.append, clocks)

    def sample(self) -> Report:
        self.sampler.sample()
        return self.reports[-1]


def test_a_good_sample_gives_a_census() -> None:
    stage = Stage(Script("sock_diag"))

    report = stage.sample()

    assert report.succeeded
    assert report.last is not None
    assert report.last.census.total(State.LISTEN) == 1
    assert (report.last.at, report.last.now) == (1000.0 + 1e9, 1000.0)
    assert report.samples == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Malformed("odd"), "malformed"),
        (TimedOut("slow"), "timeout"),
        (SourceUnavailable("gone"), "unavailable"),
        (ZeroDivisionError("a mistake of ours"), "unexpected"),
    ],
)
def test_a_failed_sample_is_counted_and_the_last_census_stays(error: Exception, reason: str) -> None:
    stage = Stage(Script("sock_diag", [None, error]))
    good = stage.sample()

    failed = stage.sample()

    assert not failed.succeeded
    assert failed.last is good.last
    assert failed.failures["sock_diag", reason] == 1
    assert failed.samples == 2


def test_every_reason_is_there_before_anything_fails() -> None:
    assert Stage(Script("sock_diag")).sample().failures == {("sock_diag", reason): 0 for reason in REASONS}


def test_a_failure_that_repeats_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(Script("sock_diag", [Malformed("odd"), Malformed("odd"), Malformed("odd")]))
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            stage.sample()

    assert caplog.messages == ["samples fail, reason malformed: odd", "samples succeed again"]


def test_failures_that_come_and_go_are_told_a_few_times_and_then_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(Script("sock_diag", [Malformed("odd"), None] * 100))
    with caplog.at_level(logging.INFO):
        for _ in range(200):
            stage.sample()
            stage.time.now += 1

    told = [message for message in caplog.messages if message.startswith("samples")]
    assert AT_ONCE < len(told) <= AT_ONCE + 1 + 200 / REST_SECONDS
    assert told[:2] == ["samples fail, reason malformed: odd", "samples succeed again"]
    assert told[-1].endswith(f", after {REST_SECONDS - 1:.0f} changes that are not told")


def test_a_blocked_source_is_followed_by_the_next_once_and_for_all(caplog: pytest.LogCaptureFixture) -> None:
    blocked = Script("sock_diag", [SourceUnavailable("seccomp")])
    stage = Stage(blocked, Script("procfs"))

    reports = [stage.sample(), stage.sample()]

    assert [(report.source, report.succeeded) for report in reports] == [("procfs", True)] * 2
    assert blocked.closed
    assert caplog.messages == ["source sock_diag does not work here, using procfs: seccomp"]


def test_a_source_that_fails_is_not_given_up() -> None:
    stage = Stage(Script("sock_diag", [Malformed("odd")]), Script("procfs"))

    assert [stage.sample().source, stage.sample().source] == ["sock_diag", "sock_diag"]


def test_the_record_says_how_far_the_interval_is_stretched() -> None:
    stage = Stage(Script("sock_diag"), config=Config(interval=1.0, max_cpu=0.1))

    def publish(report: Report) -> None:
        stage.reports.append(report)
        stage.time.cpu += 0.5

    stage.sampler._publish = publish
    intervals = [stage.sample().interval for _ in range(3)]

    assert intervals[:2] == [1.0, 1.0]
    assert 5.0 <= intervals[2] < 6.0


def test_other_rules_are_followed_with_the_next_sample() -> None:
    first = Script("sock_diag")
    stage = Stage(first)
    stage.sample()

    stage.sampler.follow(Config(interval=60.0, source="procfs"))
    report = stage.sample()

    assert report.interval == 60.0
    assert stage.sources.asked == [("auto", False), ("procfs", False)]
    assert first.closed


def test_a_hundred_configurations_are_not_followed_by_a_hundred_samples() -> None:
    """A sample that took half a second may be followed by the next after ten, by a share of 5 %."""
    stage = Stage(Script("sock_diag"), config=Config(interval=60.0, max_cpu=0.05))

    def publish(_: Report) -> None:
        stage.time.cpu += 0.5

    stage.sampler._publish = publish
    stage.sampler.sample()
    dues = []
    for _ in range(100):
        stage.time.now += 0.01
        stage.sampler.follow(Config(interval=60.0, max_cpu=0.05))
        stage.sampler._adopt(stage.sampler._next_config)
        dues.append(stage.sampler._pace.due)

    assert dues == [1010.0] * 100


def test_a_sample_that_is_put_off_until_it_can_be_paid_for_is_not_taken_for_one_that_hangs() -> None:
    stage = Stage(Script("sock_diag"), config=Config(interval=1.0, max_cpu=1.0))

    def publish(_: Report) -> None:
        stage.time.cpu += 0.5

    stage.sampler._publish = publish
    stage.sampler.sample()
    stage.sampler.follow(Config(interval=1.0, max_cpu=0.01))
    stage.sampler._adopt(stage.sampler._next_config)
    stage.time.now = stage.sampler._pace.due

    assert stage.time.now == 1050.0
    assert stage.sampler.progress.is_fresh()


def test_what_became_of_a_configuration_is_told_at_once_and_without_a_sample() -> None:
    config = Config(interval=3600.0)
    reports: list[Report] = []
    sampler = Sampler(Sampling(config, sources=Sources(Script("sock_diag"))), config, reports.append)
    thread = Thread(target=sampler.run)
    thread.start()
    wait_for(lambda: len(reports) == 1, "the first sample")
    sampler.refuse()
    wait_for(lambda: len(reports) == 2, "the refusal is told")
    sampler.stop()
    thread.join(10)

    assert [(report.samples, report.reload.succeeded) for report in reports[:2]] == [(1, True), (1, False)]
    assert reports[1].last is reports[0].last
    assert reports[1].succeeded


def test_a_refused_configuration_shows_in_the_next_record_until_a_good_one() -> None:
    stage = Stage(Script("sock_diag"))
    loaded = stage.sample().reload
    stage.time.now += 50

    stage.sampler.refuse()
    refused = stage.sample().reload
    stage.sampler.follow(Config())
    mended = stage.sample().reload

    assert (loaded.succeeded, refused.succeeded, mended.succeeded) == (True, False, True)
    assert refused.succeeded_at == loaded.succeeded_at
    assert mended.succeeded_at == loaded.succeeded_at + 50


def test_a_record_that_cannot_be_published_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(Script("sock_diag"))
    broken = iter([True, False])

    def publish(report: Report) -> None:
        if next(broken):
            raise ValueError(report)
        stage.reports.append(report)

    stage.sampler._publish = publish
    stage.sampler.sample()
    stage.sampler.sample()

    assert "a report could not be published" in caplog.text
    assert [report.samples for report in stage.reports] == [2]


def test_the_loop_samples_until_it_is_stopped_and_closes_its_source() -> None:
    source = Script("sock_diag", [ExporterError("odd"), None, None])
    reports: list[Report] = []

    def publish(report: Report) -> None:
        reports.append(report)
        if len(reports) == 3:
            sampler.stop()

    config = Config(interval=0.1)
    sampler = Sampler(Sampling(config, sources=Sources(source)), config, publish)
    thread = Thread(target=sampler.run)
    thread.start()
    thread.join(10)

    assert not thread.is_alive()
    assert [report.samples for report in reports] == [1, 2, 3]
    assert source.closed


def test_another_source_knows_no_ages_and_asks_for_silence() -> None:
    source = Script("sock_diag")
    stage = Stage(source)
    stage.sample()
    stage.sampler.follow(Config(source="procfs"))
    stage.sample()

    assert source.silences == [True, True]


def test_no_garbage_is_collected_while_a_sample_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(Script("sock_diag"))
    collects: list[bool] = []
    plain = Sampling.take

    def take(sampling: Sampling, seconds: float) -> object:
        collects.append(gc.isenabled())
        return plain(sampling, seconds)

    monkeypatch.setattr(Sampling, "take", take)
    stage.sample()

    assert collects == [False]
    assert gc.isenabled()
