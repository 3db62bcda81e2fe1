"""Takes samples: one at a time, at the configured pace, whatever happens to a single one."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Event

from exporter.count.census import Memory
from exporter.count.ports import PortBook
from exporter.count.report import Reload, Report, Sample
from exporter.count.tracker import Tracker
from exporter.errors import SAMPLE_ERRORS, SampleError, SourceUnavailable
from exporter.kernel.choice import FirstThatWorks, Make, candidates
from exporter.sampling import pace
from exporter.sampling.sample import Clocks, take
from exporter.settings.config import Config
from exporter.tcp.limits import Limits

log = logging.getLogger(__name__)

UNAVAILABLE = "unavailable"
UNEXPECTED = "unexpected"
REASONS = (*(error.reason for error in SAMPLE_ERRORS), UNAVAILABLE, UNEXPECTED)
"""Why a sample can fail: the values of the label ``reason``."""


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
        config: Config,
        read_limits: Callable[[], Limits],
        publish: Callable[[Report], None],
        clocks: Clocks = Clocks(),  # noqa: B008 - a frozen value
        sources: Callable[[str], Sequence[Make]] = candidates,
    ) -> None:
        self._read_limits, self._publish, self._clocks, self._sources = read_limits, publish, clocks, sources
        self._config = self._next_config = config
        self._source = FirstThatWorks(self._sources(config.source))
        self._memory = Memory(PortBook(config.ports))
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
        self._source.close()

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
        if config is self._config:
            return
        if config.source != self._config.source:
            self._source.close()
            self._source = FirstThatWorks(self._sources(config.source))
            self._memory = replace(self._memory, tracker=Tracker())
        self._memory.book.follow(config.ports)
        self._pace = self._pace.follow(config.interval, config.max_cpu, self._clocks.monotonic())
        self._config = config

    def _attempt(self) -> Failure | None:
        """Take a sample; nothing that happens to it may end the loop."""
        try:
            self._last = take(
                self._source, self._memory, self._config, self._read_limits, self._clocks, seconds=self._pace.allowance
            )
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
            self._failures[self._source.name, failure.reason] += 1
        reason = failure.reason if failure else None
        if reason != self._failing and failure:
            log.warning("samples fail, reason %s: %s", failure.reason, failure.message)
        elif reason != self._failing:
            log.info("samples succeed again")
        self._failing = reason

    def _report(self, *, succeeded: bool) -> Report:
        known = {(self._source.name, reason): 0 for reason in REASONS}
        return Report(
            source=self._source.name,
            interval=self._pace.interval,
            reload=self._reload,
            last=self._last,
            succeeded=succeeded,
            samples=self._samples,
            failures=known | self._failures,
            skipped=self._pace.skipped,
        )
