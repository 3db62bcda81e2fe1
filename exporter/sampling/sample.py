"""One sample: a reading is counted, what is stuck is explained, and all of it becomes a census."""

import math
from collections.abc import Callable, Mapping, Sequence

from exporter.count.census import blank, census
from exporter.count.counting import Besides, Count, are_ports_counted
from exporter.count.report import Sample
from exporter.count.stuck import Tell
from exporter.count.watched import Read, Seen, WatchedSockets
from exporter.errors import Interrupted, SampleError, SourceUnavailable
from exporter.kernel.choice import FirstThatWorks, Make, candidates
from exporter.kernel.limits import LimitsReader
from exporter.kernel.source import Source
from exporter.sampling.clocks import Clocks
from exporter.sampling.spaces import Spaces
from exporter.sampling.whose import Whose
from exporter.settings.config import Config
from exporter.tcp.limits import Limits
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import Asked, Reading

LEAST_FOR_OWNERS = 0.25
"""Share of a sample's time that the search for owners gets also where the reading has taken all of it."""


class Sampling:
    """Takes samples by a *config*, and remembers what one has to know of those before."""

    def __init__(
        self,
        config: Config,
        clocks: Clocks = Clocks(),  # noqa: B008 - a frozen value
        sources: Callable[[str, bool], Sequence[Make]] = candidates,
    ) -> None:
        self._config, self._clocks, self._sources = config, clocks, sources
        self._chosen = self._choose(config)
        self._limits = LimitsReader()
        self._spaces = Spaces(clocks)
        self._whose = Whose(clocks)
        self._ports_in_use: int | None = None
        self._memory = blank(config.ports, config.namespaces)

    def _choose(self, config: Config) -> FirstThatWorks:
        return FirstThatWorks(self._sources(config.source, config.namespaces.which == "all"))

    @property
    def source(self) -> str:
        """The name of the source in use."""
        return self._chosen.source.name

    @property
    def given_up(self) -> Mapping[str, int]:
        """How often each source was found not to work, by name."""
        return self._chosen.given_up

    def prepare(self) -> None:
        """Do what takes privileges that samples do not need. Raises SourceUnavailable if no source works."""
        self._chosen.prepare(self._clocks.monotonic())

    def follow(self, config: Config) -> None:
        """Go by another *config*."""
        if (config.source, config.namespaces.which) != (self._config.source, self._config.namespaces.which):
            self._chosen.close()
            self._chosen = self._choose(config)
            self._watch(WatchedSockets())
        self._chosen.hurry()
        self._memory.book.follow(config.ports, config.namespaces)
        self._limits.forget()
        self._config = config

    def close(self) -> None:
        """Close the source."""
        self._chosen.close()

    def take(self, seconds: float = math.inf) -> Sample:
        """Take one sample, in about so many *seconds* of processor time. Raises SampleError or SourceUnavailable."""
        at, now, begun = self._clocks.wall(), self._clocks.monotonic(), self._clocks.cpu()
        limits, rules = self._limits.read(now), self._config.stuck
        count, reading = self._read(limits, now)
        self._memory.watched.take_in(count.seen, Read(now, reading.listeners, count.roles, rules, reading.socket))
        left = max(seconds - (self._clocks.cpu() - begun), seconds * LEAST_FOR_OWNERS)
        self._memory.closed.left(count.unseen)
        descriptors = self._whose.explain(self._memory, reading, rules.owners, now, left)
        names = self._spaces.names(reading, now)
        tell = Tell(
            now,
            rules,
            reading.tells_verdicts,
            self._whose.cgroup,
            descriptors,
            names,
            reading.namespaces_missed,
            self._spaces.of(self._memory.closed.by_process(), names.values()),
        )
        found = census(count, self._memory, {OWN: limits, **self._spaces.limits(reading, names, now)}, tell)
        self._ports_in_use = found.own.busiest_address
        return Sample(found, at, now, self._clocks.monotonic() - now)

    def _read(self, limits: Limits, now: float) -> tuple[Count, Reading]:
        """Read by the first source that works; one that turns out not to is given up."""
        if found := self._read_better(limits, now):
            return found
        while True:
            try:
                return self._read_undisturbed(limits, now)
            except SourceUnavailable as unavailable:
                self._chosen.give_up(unavailable, now)
                self._watch(WatchedSockets())

    def _read_better(self, limits: Limits, now: float) -> tuple[Count, Reading] | None:
        """Read by a better source than the one in use, if it is time to try and one works by now.

        Where none does, whatever is in the way, the one in use knows all that it knew.
        """
        for place, source in self._chosen.better(now):
            unknown = WatchedSockets()
            try:
                found = self._attempt(source, unknown, limits, now)
            except (SourceUnavailable, SampleError):
                source.close()
            else:
                self._chosen.go_back(place, source, now)
                self._watch(unknown)
                return found
        return None

    def _read_undisturbed(self, limits: Limits, now: float) -> tuple[Count, Reading]:
        """A reading that was interrupted is tried once more."""
        source, watched = self._chosen.source, self._memory.watched
        try:
            return self._attempt(source, watched, limits, now)
        except Interrupted:
            return self._attempt(source, watched, limits, now)

    def _attempt(self, source: Source, watched: WatchedSockets, limits: Limits, now: float) -> tuple[Count, Reading]:
        seen, named = watched.seen(now), self._config.ports.server
        besides = self._besides(limits, now)
        with source.reading(self._asked(seen, besides, now)) as reading:
            ephemeral = {netns: known.ephemeral for netns, known in {OWN: limits, **reading.elsewhere}.items()}
            roles = self._memory.services.roles(reading.listeners, ephemeral, named, now)
            count = Count(roles, reading.listeners, seen, besides)
            for batch in reading.batches:
                count.add(batch)
        if besides.shared:
            self._memory.services.looked(now)
        return count, reading

    def _besides(self, limits: Limits, now: float) -> Besides:
        is_counted = are_ports_counted(self._ports_in_use, limits.ephemeral)
        return Besides(self._memory.services.is_looking(now), is_counted, self._memory.closed.asked)

    def _asked(self, seen: Seen, besides: Besides, now: float) -> Asked:
        services = self._memory.services.known(self._config.ports.server, now)
        return Asked(now, seen.asks, services, pairs=besides.shared)

    def _watch(self, watched: WatchedSockets) -> None:
        """Forget all others: each source knows sockets by keys of its own."""
        self._memory = self._memory._replace(watched=watched)
