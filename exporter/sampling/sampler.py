"""Takes samples: one at a time, at the configured pace, whatever happens to a single one."""

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event

from exporter.count.report import REASONS, UNAVAILABLE, UNEXPECTED, Reload, Report, Sample
from exporter.errors import SampleError, SourceUnavailable
from exporter.sampling import pace
from exporter.sampling.clocks import Clocks
from exporter.sampling.sample import Sampling
from exporter.settings.config import Config

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """Why a sample failed."""

    reason: str
    """One of REASONS."""
    message: str


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
        self._pace = pace.start(config.interval, config.max_cpu, clocks.monotonic())
        self._reload = Reload(succeeded=True, succeeded_at=clocks.wall())
        self._samples = 0
        self._failures: Counter[tuple[str, str]] = Counter()
        self._failing: str | None = None
        self._last: Sample | None = None
        self._publishing = 0.0
        self._wake = Event()
        self._stopping = False

    def run(self) -> None:
        """Sample until ``stop``."""
        while not self._stopping:
            self.sample()
            self._wake.wait(max(0.0, self._pace.due - self._clocks.monotonic()))
            self._wake.clear()
        self._sampling.close()

    def stop(self) -> None:
        """End ``run``; a sample that is being taken is finished first."""
        self._stopping = True
        self._wake.set()

    def follow(self, config: Config) -> None:
        """Go by another *config*, beginning with a sample at once."""
        self._next_config = config
        self._reload = Reload(succeeded=True, succeeded_at=self._clocks.wall())
        self._wake.set()

    def refuse(self) -> None:
        """Say in the next report that a configuration could not be loaded."""
        self._reload = replace(self._reload, succeeded=False)

    def sample(self) -> None:
        """Take one sample and publish the report."""
        self._adopt(self._next_config)
        started = self._clocks.cpu()
        failure = self._attempt()
        self._note(failure)
        ended = self._clocks.cpu()
        # Publishing may render: that is paid for by the next interval, since this one has to be known by then.
        self._pace = self._pace.after(self._clocks.monotonic(), ended - started + self._publishing)
        try:
            self._publish(self._report(succeeded=failure is None))
        except Exception:
            log.exception("a report could not be published")
        self._publishing = self._clocks.cpu() - ended

    def _adopt(self, config: Config) -> None:
        if config is not self._config:
            self._sampling.follow(config)
            self._pace = self._pace.follow(config.interval, config.max_cpu, self._clocks.monotonic())
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
        """Count, and log what is new: a failure that repeats every few seconds is one message."""
        self._samples += 1
        if failure:
            self._failures[self._sampling.source, failure.reason] += 1
        reason = failure.reason if failure else None
        if reason != self._failing and failure:
            log.warning("samples fail, reason %s: %s", failure.reason, failure.message)
        elif reason != self._failing:
            log.info("samples succeed again")
        self._failing = reason

    def _report(self, *, succeeded: bool) -> Report:
        known = {(self._sampling.source, reason): 0 for reason in REASONS}
        return Report(
            source=self._sampling.source,
            interval=self._pace.interval,
            reload=self._reload,
            last=self._last,
            succeeded=succeeded,
            samples=self._samples,
            failures=known | self._failures,
            skipped=self._pace.skipped,
        )


@contextmanager
def _uncollected() -> Iterator[None]:
    """A sample makes many objects and no cycles; the collector would look through them again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
