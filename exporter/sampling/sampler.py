"""Takes samples: one at a time, at the configured pace, whatever happens to a single one."""

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import NamedTuple

from exporter.count.report import REASONS, UNAVAILABLE, UNEXPECTED, Reload, Report, Sample
from exporter.errors import SampleError, SourceUnavailable
from exporter.sampling import pace
from exporter.sampling.clocks import Clocks
from exporter.sampling.outcomes import Failure, Outcomes
from exporter.sampling.progress import Progress
from exporter.sampling.sample import Sampling
from exporter.settings.config import Config

log = logging.getLogger(__name__)


class _Spent(NamedTuple):
    """What the last sample has cost."""

    begun: float
    """On the monotonic clock."""
    cpu: float
    """Seconds of processor time."""


class Sampler:
    """Reads the sockets again and again and gives each new report to *publish*.

    ``run`` belongs to one thread; ``follow``, ``refuse`` and ``stop`` may be called from another.
    """

    def __init__(
        self,
        sampling: Sampling,
        config: Config,
        publish: Callable[[Report], None],
        clocks: Clocks = Clocks(),  # noqa: B008 - a frozen value
    ) -> None:
        self._sampling, self._publish, self._clocks = sampling, publish, clocks
        self._config = self._next_config = config
        now = clocks.monotonic()
        self._pace = pace.start(config.interval, config.max_cpu, now)
        self._reload = self._told_reload = Reload(succeeded=True, succeeded_at=clocks.wall())
        self._samples = 0
        self._failures: Counter[tuple[str, str]] = Counter()
        self._succeeded = False
        self._last: Sample | None = None
        self._spent = _Spent(now, 0.0)
        self._publishing = 0.0
        """Seconds of processor time that telling the last sample has taken so far."""
        self._outcomes = Outcomes()
        self.progress = Progress(clocks.monotonic)
        """For another thread to look at."""
        self._wake = Event()
        self._stopping = False

    def run(self) -> None:
        """Sample until ``stop``."""
        while not self._stopping:
            self.sample()
            self._rest()
        self._sampling.close()

    def stop(self) -> None:
        """End ``run``; a sample that is being taken is finished first."""
        self._stopping = True
        self._wake.set()

    def follow(self, config: Config) -> None:
        """Go by another *config*, beginning with a sample as soon as its share of the processor allows."""
        self._next_config = config
        self._reload = Reload(succeeded=True, succeeded_at=self._clocks.wall())
        self._wake.set()

    def refuse(self) -> None:
        """Say in the next report, which is made at once, that a configuration could not be loaded."""
        self._reload = replace(self._reload, succeeded=False)
        self._wake.set()

    def sample(self) -> None:
        """Take one sample and publish the report."""
        self._adopt(self._next_config)
        begun, started = self._clocks.monotonic(), self._clocks.cpu()
        failure = self._attempt()
        self._note(failure)
        # Publishing may render: that is paid for by the next interval, since this one has to be known by then.
        self._spent = _Spent(begun, self._clocks.cpu() - started + self._publishing)
        self._publishing = 0.0
        self._pace = self._pace.after(self._clocks.monotonic(), self._spent.cpu)
        self.progress.note(self._pace.interval)
        self._tell()

    def report(self) -> Report:
        """What is known now."""
        known = {(self._sampling.source, reason): 0 for reason in REASONS}
        given_up = Counter({(source, UNAVAILABLE): times for source, times in self._sampling.given_up.items()})
        return Report(
            source=self._sampling.source,
            interval=self._pace.interval,
            reload=self._told_reload,
            last=self._last,
            succeeded=self._succeeded,
            samples=self._samples,
            failures=known | (self._failures + given_up),
            skipped=self._pace.skipped,
        )

    def _rest(self) -> None:
        """Wait until the next sample is due, and tell in the meantime what became of configurations."""
        while not self._stopping and (left := self._pace.due - self._clocks.monotonic()) > 0:
            if self._wake.wait(left):
                self._wake.clear()
                self._adopt(self._next_config)
                if self._reload is not self._told_reload:
                    self._tell()

    def _adopt(self, config: Config) -> None:
        if config is not self._config:
            self._sampling.follow(config)
            # A sample at once, but not one for each of a hundred configurations: they have to be paid for too.
            affordable = self._spent.begun + (self._spent.cpu + self._publishing) / config.max_cpu
            now = self._clocks.monotonic()
            self._pace = self._pace.follow(config.interval, config.max_cpu, max(now, affordable))
            self.progress.note(max(config.interval, affordable - now))
            self._config = config

    def _attempt(self) -> Failure | None:
        """Take a sample; nothing that happens to it may end the loop."""
        try:
            with _uncollected():
                self._last = self._sampling.take(self._pace.allowance)
        except SampleError as error:
            return Failure(error.reason, str(error))
        except SourceUnavailable as error:
            return Failure(UNAVAILABLE, str(error))
        except Exception as error:  # the loop outlives its own mistakes too
            log.exception("a sample failed in an unexpected way")
            return Failure(UNEXPECTED, repr(error))
        return None

    def _note(self, failure: Failure | None) -> None:
        """Count, and log what is new."""
        self._samples += 1
        if failure:
            self._failures[self._sampling.source, failure.reason] += 1
        self._succeeded = failure is None
        if line := self._outcomes.line(failure, self._clocks.monotonic()):
            log.log(logging.WARNING if failure else logging.INFO, "%s", line)

    def _tell(self) -> None:
        """Publish what is known now."""
        started, self._told_reload = self._clocks.cpu(), self._reload
        try:
            self._publish(self.report())
        except Exception:
            log.exception("a report could not be published")
        self._publishing += self._clocks.cpu() - started


@contextmanager
def _uncollected() -> Iterator[None]:
    """A sample makes many objects and no cycles; the collector would look through them again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
