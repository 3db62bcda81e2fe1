"""The other network namespaces that a reading covers: what they are called, what bounds them, and who is in them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from exporter.errors import SampleError, SourceUnavailable
from exporter.kernel import netns, processes
from exporter.kernel.limits import CountersElsewhere
from exporter.kernel.namespaces import Members, Namespaces
from exporter.sampling.clocks import Clocks
from exporter.tcp.holders import Process
from exporter.tcp.limits import Limits
from exporter.tcp.namespaces import OURS, OWN, Namespace
from exporter.tcp.reading import Reading

_PROC = Path("/proc")


class Spaces:
    """Remembers their names."""

    def __init__(self, clocks: Clocks) -> None:
        self._namespaces = Namespaces(members=self._members, cpu=clocks.cpu)
        self._counters = CountersElsewhere()
        self._listed: Members | None = None
        """As of the last reading, where the kernel lists them."""

    def names(self, reading: Reading, now: float) -> Mapping[int, Namespace]:
        """What is known of those that the *reading* covers, by number; our own among them."""
        self._listed = reading.members
        return self._namespaces.look([OWN, *reading.elsewhere], now) if reading.elsewhere else {OWN: OURS}

    def _members(self) -> Mapping[int, Sequence[int]]:
        """Who is in which, as the kernel lists it, or /proc shows it. Raises OSError."""
        try:
            return self._listed() if self._listed else netns.members(_PROC)
        except (SampleError, SourceUnavailable) as error:
            raise OSError(str(error)) from error

    def limits(self, reading: Reading, names: Mapping[int, Namespace], now: float) -> Mapping[int, Limits]:
        """What bounds the others, with the counters that the *reading* does not tell."""
        lacking = [number for number, known in reading.elsewhere.items() if "listen_overflows" not in known.values]
        counters = self._counters.read({number: names[number].pid for number in lacking}, now)
        more = {number: counters.get(number, {}) for number in lacking}
        return {
            number: replace(known, values={**known.values, **more.get(number, {})})
            for number, known in reading.elsewhere.items()
        }

    @staticmethod
    def of(processes: Collection[Process], names: Iterable[Namespace]) -> Mapping[int, str]:
        """The names of those that the *processes* are in, by number of the process, as far as it is known."""
        networks = {_network(one.pid): one.name for one in names if one.pid} if processes else {}
        found = {process.pid: _network(process.pid) for process in processes}
        return {pid: networks[network] for pid, network in found.items() if network and network in networks}


def _network(pid: int) -> int:
    """See ``processes.network``; 0 where it has ended."""
    try:
        return processes.network(_PROC, pid)
    except OSError:
        return 0
