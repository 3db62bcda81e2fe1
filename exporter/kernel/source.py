"""What every source of sockets can do."""

from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from exporter.tcp.reading import NOTHING_BESIDES, Asked, Reading


class Source(Protocol):
    """A way to ask the kernel for the sockets of this process' network namespace, or of all."""

    @property
    def name(self) -> str:
        """As in the configuration."""

    def reading(self, asked: Asked = NOTHING_BESIDES) -> AbstractContextManager[Reading]:
        """Open a reading of all sockets, and of what is *asked* besides, as far as the source tells that.

        Raises, now or while the batches are taken:
            SourceUnavailable: this source does not work here at all.
            SampleError: this reading failed.
        """

    def close(self) -> None: ...


@runtime_checkable
class Prepared(Source, Protocol):
    """One that has something to do while privileges are there that nobody needs later."""

    def prepare(self) -> None:
        """Do it. Raises SourceUnavailable."""
