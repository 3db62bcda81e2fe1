"""How long Prometheus says that its rules take."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.bench.scraper import EVALUATED_EACH, Json, Scraper

_SLOWEST = 600
"""Seconds within which every group has its turn."""


class Rule(NamedTuple):
    """Where a rule stands, and what it is called: two alerts can have one name."""

    group: str
    place: int
    name: str


class Evaluations(NamedTuple):
    """Seconds of the clock that each has taken, time after time."""

    groups: Mapping[str, Sequence[float]]
    rules: Mapping[Rule, Sequence[float]]
    intervals: Mapping[str, float]
    """Seconds from one evaluation of a group to the next."""

    def once(self) -> float:
        """All groups, once; each as it usually is."""
        return sum(map(statistics.median, self.groups.values()))

    def share(self, group: str) -> float:
        """Of the group's evaluations, while the others have one."""
        return EVALUATED_EACH / self.intervals[group]

    def usually(self) -> float:
        """All that is evaluated each time, and the share of what is evaluated seldom."""
        return sum(statistics.median(seconds) * self.share(name) for name, seconds in self.groups.items())

    def dearest(self, number: int) -> Sequence[Rule]:
        """The rules that take most, one by one."""
        return sorted(self.rules, key=lambda rule: -statistics.median(self.rules[rule]))[:number]


def watch(scraper: Scraper, seconds: float) -> Evaluations:
    """Those of so many *seconds*, and at least one of each group."""
    before, end = dict(_moments(scraper)), time.monotonic() + seconds
    groups: defaultdict[str, dict[str, float]] = defaultdict(dict)
    rules: defaultdict[Rule, dict[str, float]] = defaultdict(dict)
    while time.monotonic() < end or before.keys() - groups.keys():
        assert time.monotonic() < end + _SLOWEST, f"no evaluation of {before.keys() - groups.keys()}"
        time.sleep(EVALUATED_EACH / 3)
        for group in _groups(scraper):
            if group["lastEvaluation"] != before[group["name"]]:
                groups[group["name"]][group["lastEvaluation"]] = group["evaluationTime"]
                for rule, one in _rules(group):
                    rules[rule][one["lastEvaluation"]] = one["evaluationTime"]
    return Evaluations(
        {name: list(times.values()) for name, times in groups.items()},
        {rule: list(times.values()) for rule, times in rules.items()},
        {group["name"]: group["interval"] for group in _groups(scraper)},
    )


def _groups(scraper: Scraper) -> Sequence[Json]:
    found: Sequence[Json] = scraper.data_of("rules")["groups"]
    return found


def _moments(scraper: Scraper) -> Iterator[tuple[str, str]]:
    for group in _groups(scraper):
        yield group["name"], group["lastEvaluation"]


def _rules(group: Json) -> Iterator[tuple[Rule, Json]]:
    for place, one in enumerate(group["rules"]):
        yield Rule(group["name"], place, one["name"]), one
