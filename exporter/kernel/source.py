"""What every source of sockets can do."""

from contextlib import AbstractContextManager
from typing import Protocol

from exporter.tcp.reading import Reading


class Source(Protocol):
    """A way to ask the kernel for the sockets of this process' network namespace."""

    @property
    def name(self) -> str:
        """As in the configuration."""

    def reading(self, *, silences: bool = False) -> AbstractContextManager[Reading]:
        """Open a reading of all sockets; with *silences* also of how long those in SILENT are silent, if that is told.

        Raises, now or while the batches are taken:
            SourceUnavailable: this source does not work here at all.
            SampleError: this reading failed.
        """

    def close(self) -> None: ...
