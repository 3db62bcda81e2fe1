"""Hours of history within minutes, for the queries that look back.

What the queries read is taken from the first minutes of the fleet, raw and recorded series alike, and written back over
the hours before, again and again, every sample of it: hosts, series and labels are as in life, and the days are as dull
as two minutes of them. Series that nothing reads have no history. Where all this would be more than some tens of
millions of samples, it has one only every so many scrapes.
"""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import NamedTuple

from tests.bench.scraper import Scraper
from tests.bench.targets import SCRAPED_EACH
from tests.lab.witness import wait_for

HOUR = 3600
DAY = 24 * HOUR
LEARNED = 120
"""Seconds whose samples are the history."""

_MOST = 60_000_000
"""Samples that are written for what is shown."""
_COARSEST = 4 * 60
"""Seconds between two samples; with more, queries would see gaps."""
_BLOCK = 2 * HOUR
_SELECTOR = re.compile(r"(?<![\w:$])(?:(?:\w+:)?tcpstate[:_][\w:]+|up|ALERTS\w*)\b(?:\{[^}]*\})?|\{__name__[^}]*\}")
_FAR_BACK = re.compile(r"([\w:]+(?:\{[^}]*\})?)(?:\[1d| offset 1h)")

Samples = tuple[str, ...]
"""Values one scrape after the other, as text."""


class Written(NamedTuple):
    """How much it has become."""

    series: int
    samples: int
    step: int
    """Seconds between two samples of what is shown."""


def selectors(expressions: Iterable[str]) -> Sequence[str]:
    """Of all series that they read."""
    return sorted({found for expression in expressions for found in _SELECTOR.findall(expression)})


def far_back(rules: str) -> Sequence[str]:
    """The selectors with which *rules* look back for hours or a day."""
    return sorted(set(_FAR_BACK.findall(rules)))


class _Part(NamedTuple):
    """Series that have a history of one length."""

    series: Mapping[str, Samples]
    seconds: int
    step: int

    def times(self, begin: int, last: int) -> range:
        """Those in the block that begins then, if there are any, of a history up to the *last* moment."""
        return range(max(begin, last - self.seconds), min(begin + _BLOCK, last), self.step)


def write(scraper: Scraper, shown: Sequence[str], hours: int, far_back: Sequence[str]) -> Written:
    """Give the series that are *shown* some *hours* of history, and those that are read from *far_back* a day."""
    lately, long = _learned(scraper, shown), _learned(scraper, far_back)
    lately = {series: samples for series, samples in lately.items() if series not in long}
    step = _step(len(lately) * hours * HOUR)
    parts = _Part(long, DAY, SCRAPED_EACH), _Part(lately, hours * HOUR, step)
    last = int(scraper.begun) // SCRAPED_EACH * SCRAPED_EACH
    begins = range((last - DAY) // _BLOCK * _BLOCK, last, _BLOCK)
    written = [
        _write_block(scraper.data, [(part.series, part.times(begin, last)) for part in parts]) for begin in begins
    ]
    wait_for(lambda: scraper.own("prometheus_tsdb_blocks_loaded") >= len(begins), "history is loaded", seconds=180)
    return Written(len(lately) + len(long), sum(written), step)


def _step(seconds: int) -> int:
    """Between samples, for series that have so many *seconds* of history together."""
    return min(ceil(seconds / _MOST / SCRAPED_EACH) * SCRAPED_EACH, _COARSEST) or SCRAPED_EACH


def _learned(scraper: Scraper, selectors: Sequence[str]) -> Mapping[str, Samples]:
    """What they have selected lately, by series as the text format has it."""
    found = {}
    for selector in selectors:
        for one in scraper.data_of("query", query=f"{selector}[{LEARNED}s]")["result"]:
            found[_series(one["metric"])] = tuple(value for _, value in one["values"])
    return found


def _series(labels: Mapping[str, str]) -> str:
    rest = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items() if name != "__name__")
    return f"{labels['__name__']}{{{rest}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _write_block(data: Path, parts: Sequence[tuple[Mapping[str, Samples], range]]) -> int:
    """One of two hours, by way of a text; how many samples that are."""
    file, written = data.parent / "history", 0
    with file.open("w") as text:
        for series, times in parts:
            text.writelines(_lines(series, times))
            written += len(series) * len(times)
        text.write("# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(file), str(data)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    file.unlink()
    return written


def _lines(series: Mapping[str, Samples], times: range) -> Iterator[str]:
    for name, samples in series.items():
        if times:
            yield name + name.join(_ends(samples, times))


@lru_cache(maxsize=512)
def _ends(samples: Samples, times: range) -> Sequence[str]:
    """Of the lines; most series are none all the time, and all those have the same."""
    shift = times.start // SCRAPED_EACH
    return [f" {samples[(shift + at) % len(samples)]} {moment}\n" for at, moment in enumerate(times)]
