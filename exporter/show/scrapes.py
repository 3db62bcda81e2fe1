"""When the metrics have been asked for, and when they will be asked for again.

Metrics that are rendered ahead make a scrape fast: on demand it takes some milliseconds more, and twice as many while a
sample is taken, since the two threads share the interpreter. Rendered at each sample, they would be thrown away two
times of three where a sample is taken every 5 s and a scrape comes every 15. So what is rendered ahead is what somebody
will ask for before the next sample, by his pace so far: a time comes again at the distance that it has from an earlier
one. To look at the last two times is not enough, since the two Prometheus servers of a pair take turns at uneven
distances (every second scrape would find nothing ready); it may be any two of the last few.
"""

import math
from collections.abc import Sequence
from itertools import combinations

from exporter.show.formats import VARIANTS, Variant

REMEMBERED = 6
"""Times remembered of each variant: those of three scrapers that take turns."""
SLACK = 0.1
"""How far a scrape may be off its pace, and a sample off its own, as a share of the interval between samples."""


class Scrapes:
    """Remembers the times at which each variant was asked for. Times are in seconds on one monotonic clock."""

    def __init__(self) -> None:
        self._times: dict[Variant, tuple[float, ...]] = dict.fromkeys(VARIANTS, ())
        self._published = -math.inf

    def note(self, variant: Variant, now: float) -> None:
        """Somebody asks for *variant*; only the first who does so after a report matters, as all share its answer."""
        times = self._times[variant]
        if not times or times[-1] < self._published:
            self._times[variant] = (*times, now)[-REMEMBERED:]

    def expected(self, now: float, interval: float) -> Sequence[Variant]:
        """What will be asked for between the report that is published *now* and the next, *interval* seconds later."""
        self._published = now
        return [variant for variant, times in self._times.items() if times and _is_expected(times, now, interval)]


def _is_expected(times: Sequence[float], now: float, interval: float) -> bool:
    """Whether one of the *times* comes again in the next *interval*, or did in the last one and is late."""
    slack = SLACK * interval
    first, last = max(now - interval, times[-1] + slack), now + interval + slack
    return any(first <= later + (later - earlier) <= last for earlier, later in combinations(times, 2))
