"""Which source is used: the first that works, or the one that the configuration names."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from exporter.errors import SourceUnavailable
from exporter.kernel.procfs import Procfs
from exporter.kernel.psutil_source import Psutil
from exporter.kernel.sock_diag import SockDiag
from exporter.kernel.source import Source
from exporter.tcp.reading import Reading

log = logging.getLogger(__name__)

Make = Callable[[], Source]

SOURCES: dict[str, Make] = {"sock_diag": SockDiag, "procfs": Procfs, "psutil": Psutil}
"""By name, the best first."""


def candidates(choice: str) -> Sequence[Make]:
    """The sources that the configuration's ``source`` allows."""
    return tuple(SOURCES.values()) if choice == "auto" else (SOURCES[choice],)


class FirstThatWorks:
    """The first of some sources that works; one that has been given up is not tried again."""

    def __init__(self, makers: Sequence[Make]) -> None:
        first, *self._rest = makers
        self._source = first()

    @property
    def name(self) -> str:
        """The name of the source in use."""
        return self._source.name

    def reading(self, *, silences: bool = False) -> AbstractContextManager[Reading]:
        """See ``Source.reading``."""
        return self._source.reading(silences=silences)

    def give_up(self, unavailable: SourceUnavailable) -> None:
        """Go on with the next source, since the one in use is *unavailable*; raise that if it is the last."""
        if not self._rest:
            raise unavailable
        blocked, self._source = self._source, self._rest.pop(0)()
        blocked.close()
        log.warning("source %s does not work here, using %s: %s", blocked.name, self._source.name, unavailable)

    def close(self) -> None:
        """Close the source in use."""
        self._source.close()
