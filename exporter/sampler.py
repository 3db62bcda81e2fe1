"""Takes samples: one at a time, at the configured pace, whatever happens to a single one."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Lock

from exporter import pace
from exporter.census import Count
from exporter.config import Config
from exporter.errors import SAMPLE_ERRORS, SampleError, SourceUnavailable
from exporter.limits import Limits
from exporter.ports import PortBook
from exporter.record import Record, Reload, Taken
from exporter.sources.choice import FirstThatWorks, candidates

log = logging.getLogger(__name__)

UNAVAILABLE = "unavailable"
UNEXPECTED = "unexpected"
REASONS = (*(error.reason for error in SAMPLE_ERRORS), UNAVAILABLE, UNEXPECTED)
"""Why a sample can fail: the values of the label ``reason``."""


class Sampler:
    """Reads the sockets again and again and gives each new record to *publish*.

    ``run`` belongs to one thread; ``follow`` and ``stop`` may be called from others.
    """

    def __init__(
        self,
        config: Config,
        read_limits: Callable[[], Limits],
        publish: Callable[[Record], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._read_limits, self._publish = read_limits, publish
        self._monotonic, self._cpu, self._wall = monotonic, cpu, wall
        self._config = config
        self._source = FirstThatWorks(candidates(config.source))
        self._book = PortBook(config.ports)
        self._pace = pace.start(config.interval, config.max_cpu, monotonic())
        self._failures: Counter[tuple[str, str]] = Counter()
        self._wake, self._stopped, self._lock = Event(), False, Lock()
        self._next_config: Config | None = None
        self.record = Record(self._source.name, config.interval, Reload(succeeded=True, succeeded_at=wall()))
'''
