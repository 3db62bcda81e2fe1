"""What the sampler knows about itself, beside the last census."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.count.census import Census
from exporter.errors import SAMPLE_ERRORS

UNAVAILABLE = "unavailable"
UNEXPECTED = "unexpected"
REASONS = (*(error.reason for error in SAMPLE_ERRORS), UNAVAILABLE, UNEXPECTED)
"""Why a sample can fail: the values of the label ``reason``."""

MISSED_INTERVALS = 3
"""After so many intervals without a sample the last census is no longer shown."""


@dataclass(frozen=True)
class Sample:
    """A sample that succeeded."""

    census: Census
    at: float
    """Unix time in seconds."""
    now: float
    """The same moment on the monotonic clock."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True)
class Reload:
    """How the last attempt to load the configuration went."""

    succeeded: bool
    succeeded_at: float
    """Unix time in seconds of the last one that succeeded."""


@dataclass(frozen=True)
class Report:
    """The state of the sampler after a sample. Published whole, never changed."""

    source: str
    interval: float
    """Seconds between samples, now in force."""
    reload: Reload
    last: Sample | None = None
    """The last sample that succeeded."""
    succeeded: bool = False
    """Whether the last sample did."""
    samples: int = 0
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By source and reason; the reasons of the source in use are all there."""
    skipped: int = 0
    """Samples left out because the one before took too long."""

    def census(self, now: float) -> Census | None:
        """The last census, unless it is too old at the monotonic time *now* to speak for the host."""
        return self.last.census if self.last and not self.is_stale(now) else None

    def is_up(self, now: float) -> bool:
        """Whether the last sample succeeded, and not too long before the monotonic time *now*."""
        return self.succeeded and not self.is_stale(now)

    @property
    def stale_at(self) -> float:
        """When, on the monotonic clock, the last census gets too old."""
        return -math.inf if self.last is None else self.last.now + MISSED_INTERVALS * self.interval

    def is_stale(self, now: float) -> bool:
        """Whether there is no sample younger than some intervals."""
        return now > self.stale_at
