"""Which source is used: the first that works, or the one that the configuration names."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from exporter.errors import SourceUnavailable
from exporter.kernel import privileges
from exporter.kernel.bpf.source import Bpf
from exporter.kernel.every_namespace import EveryNamespace
from exporter.kernel.procfs import Procfs
from exporter.kernel.psutil_source import Psutil
from exporter.kernel.sock_diag import SockDiag
from exporter.kernel.source import Prepared, Source
from exporter.logs.seldom import Seldom

log = logging.getLogger(__name__)

Make = Callable[[], Source]

OURS: Mapping[str, Make] = {
    "bpf": partial(Bpf, everywhere=False),
    "sock_diag": SockDiag,
    "procfs": Procfs,
    "psutil": Psutil,
}
"""Of our own network namespace, by name, the best first."""
EVERYWHERE: Mapping[str, Make] = {**OURS, "bpf": partial(Bpf, everywhere=True), "sock_diag": EveryNamespace}
"""Of all as far as the source can; the others read our own."""


def candidates(choice: str, everywhere: bool = False) -> Sequence[Make]:  # noqa: FBT001, FBT002 - of two
    """The sources that the configuration's ``source`` and ``namespaces`` allow, the best first.

    Nobody is surprised by a program in his kernel: unless it is asked for, or all namespaces are, it takes privileges
    that have been given for nothing else. Where it cannot be, the others do.
    """
    sources = EVERYWHERE if everywhere else OURS
    if choice not in {"auto", "bpf"}:
        return (sources[choice],)
    wanted = choice == "bpf" or everywhere or privileges.is_bpf_granted(privileges.held())
    return tuple(make for name, make in sources.items() if wanted or name != "bpf")


RETRY_SECONDS = 300.0
"""Between two tries whether a better source than the one in use works by now."""


class FirstThatWorks:
    """The first of some sources that works; those that have been given up are tried anew every now and then.

    What was in the way may be gone: a module has been loaded, a sandbox was mended. Times are monotonic seconds.
    """

    def __init__(self, makers: Sequence[Make]) -> None:
        self._makers = makers
        self._place = 0
        """Of the source in use, among the makers."""
        self._source = makers[0]()
        self._next_try = -math.inf
        self.given_up: Counter[str] = Counter()
        """How often each source was, by name."""
        self._lines = Seldom()

    @property
    def source(self) -> Source:
        """The source in use."""
        return self._source

    def prepare(self, now: float) -> None:
        """Let the source do what takes privileges that are dropped before the first reading.

        Goes on with the next as long as one is unavailable; raises SourceUnavailable if the last is.
        """
        while isinstance(self._source, Prepared):
            try:
                self._source.prepare()
            except SourceUnavailable as unavailable:
                self.give_up(unavailable, now)
            else:
                return

    def give_up(self, unavailable: SourceUnavailable, now: float) -> None:
        """Go on with the next source, since the one in use is *unavailable*; raise that if it is the last."""
        place = self._place + 1
        if place == len(self._makers):
            self._next_try = now  # a sample that fails anyway is not spoiled by a try
            raise unavailable
        blocked = self._source
        self.given_up[blocked.name] += 1
        self._use(place, self._makers[place](), now)
        text = f"source {blocked.name} does not work here, using {self._source.name}: {unavailable}"
        self._say(logging.WARNING, text, now)

    def better(self, now: float) -> Iterator[tuple[int, Source]]:
        """The sources before the one in use with their places, the best first, if it is time to try them."""
        if now >= self._next_try:
            self._next_try = now + RETRY_SECONDS
            yield from ((place, make()) for place, make in enumerate(self._makers[: self._place]))

    def go_back(self, place: int, source: Source, now: float) -> None:
        """Use a *source* that ``better`` gave: it works by now."""
        lesser = self._source
        self._use(place, source, now)
        self._say(logging.INFO, f"source {source.name} works, using it again in place of {lesser.name}", now)

    def hurry(self) -> None:
        """Try the better sources with the next sample."""
        self._next_try = -math.inf

    def _say(self, level: int, text: str, now: float) -> None:
        """A source can come and go with every reload."""
        if line := self._lines.line(text, now):
            log.log(level, "%s", line)

    def _use(self, place: int, source: Source, now: float) -> None:
        self._source.close()
        self._place, self._source, self._next_try = place, source, now + RETRY_SECONDS

    def close(self) -> None:
        """Close the source in use."""
        self._source.close()
