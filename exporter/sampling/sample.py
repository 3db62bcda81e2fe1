"""One sample: what a reading gives, counted and explained."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from exporter.count.census import Count, Memory
from exporter.count.report import Sample
from exporter.count.rules import OwnerRules
from exporter.count.suspects import Suspects
from exporter.kernel.owners import OwnerSearch
from exporter.kernel.source import Source
from exporter.settings.config import Config
from exporter.tcp.limits import Limits

LEAST_FOR_OWNERS = 0.25
"""Share of a sample's time that the search for owners gets also where the reading has taken all of it."""


@dataclass(frozen=True)
class Clocks:
    """The times that the sampler reads, in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    cpu: Callable[[], float] = time.thread_time
    """Processor time of the sampling thread."""


def take(  # noqa: PLR0913 - all that a sample needs from outside
    source: Source,
    memory: Memory,
    config: Config,
    read_limits: Callable[[], Limits],
    clocks: Clocks = Clocks(),
    *,
    seconds: float = math.inf,
) -> Sample:
    """Take one sample, in about so many *seconds* of processor time. Raises SampleError or SourceUnavailable."""
    at, since, begun = clocks.wall(), clocks.monotonic(), clocks.cpu()
    count = Count(memory, config.stuck, read_limits(), since)
    snapshot = source.read(count.roles_for, count.watch, silences=memory.tracker.is_behind(since))
    left = max(seconds - (clocks.cpu() - begun), seconds * LEAST_FOR_OWNERS)
    _find_owners(count.suspects, memory.owners, config.stuck.owners, left)
    return Sample(count.census(snapshot), at, since, clocks.monotonic() - since)


def _find_owners(suspects: Suspects, owners: OwnerSearch, rules: OwnerRules, seconds: float) -> None:
    if rules.enabled:
        owners.forget(suspects.is_alive, suspects.now)
        owners.cgroups.look(suspects.cgroups(), suspects.now)
    if rules.enabled and rules.processes:
        owners.look(suspects.wanted, suspects.now, seconds)
