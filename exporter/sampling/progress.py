"""Whether samples are attempted, seen from outside of the thread that takes them: it cannot tell that it hangs."""

import logging
from collections.abc import Callable

from exporter.count.report import MISSED_INTERVALS

log = logging.getLogger(__name__)

FLOOR_SECONDS = 10.0
"""How long a sample may take however short the interval is."""


class Progress:
    """When the last attempt ended, by *clock*. ``note`` belongs to the sampling thread, the rest to another."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock(), FLOOR_SECONDS
        """When that was, and for how many seconds it is fresh."""
        self._told = False

    def note(self, interval: float) -> None:
        """An attempt has ended, or been put off; so many seconds are between samples now."""
        self._last = self._clock(), max(FLOOR_SECONDS, MISSED_INTERVALS * interval)

    def is_fresh(self) -> bool:
        """Whether the last attempt is not too long ago."""
        at, patience = self._last
        return self._clock() - at <= patience

    def look(self) -> None:
        """Log that samples have stopped, or go on, once each; to be called every now and then."""
        hangs = not self.is_fresh()
        if hangs and not self._told:
            log.error("no sample for %.0f s: the one under way does not end", self._clock() - self._last[0])
        elif self._told and not hangs:
            log.info("samples go on")
        self._told = hangs
