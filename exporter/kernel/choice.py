"""Which source is used: the first that works, or the one that the configuration names."""

import logging
from collections.abc import Callable, Sequence

from exporter.errors import SourceUnavailable
from exporter.kernel.procfs import Procfs
from exporter.kernel.psutil_source import Psutil
from exporter.kernel.sock_diag import SockDiag
from exporter.kernel.source import RolesFor, Snapshot, Source, Watch

log = logging.getLogger(__name__)

Make = Callable[[], Source]

SOURCES: dict[str, Make] = {"sock_diag": SockDiag, "procfs": Procfs, "psutil": Psutil}
"""By name, the best first."""


def candidates(choice: str) -> Sequence[Make]:
    """The sources that the configuration's ``source`` allows."""
    return tuple(SOURCES.values()) if choice == "auto" else (SOURCES[choice],)


class FirstThatWorks:
    """The first of some sources that works; one that turns out not to work here is not tried again."""

    def __init__(self, makers: Sequence[Make]) -> None:
        first, *self._rest = makers
        self._source = first()

    @property
    def name(self) -> str:
        """The name of the source in use."""
        return self._source.name

    def read(self, roles_for: RolesFor, watch: Watch, *, silences: bool = False) -> Snapshot:
        """Read all sockets; see ``Source.read``. SourceUnavailable means that none is left."""
        try:
            return self._source.read(roles_for, watch, silences=silences)
        except SourceUnavailable as unavailable:
            if not self._rest:
                raise
            self._next(unavailable)
            return self.read(roles_for, watch, silences=silences)

    def _next(self, unavailable: SourceUnavailable) -> None:
        blocked, self._source = self._source, self._rest.pop(0)()
        blocked.close()
        log.warning("source %s does not work here, using %s: %s", blocked.name, self._source.name, unavailable)

    def close(self) -> None:
        """Close the source in use."""
        self._source.close()
