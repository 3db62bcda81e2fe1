"""Sockets through /proc/self/net/tcp and tcp6, for where a sandbox forbids netlink.

The kernel formats each socket as a line of text, which takes it several times as long as a netlink message. There are
no cookies and no backlogs. Listening sockets stand first in each file.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from exporter.decode import proc_net_tcp
from exporter.errors import ReadFailed, SourceUnavailable
from exporter.tcp import columns
from exporter.tcp.reading import Reading
from exporter.tcp.sockets import Listener, Socket
from exporter.tcp.states import State

CHUNK = 1 << 16


class Procfs:
    """The source over the files below *proc*, by default those of this process' network namespace."""

    name = "procfs"

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._tables = (proc / "self/net/tcp", proc / "self/net/tcp6")

    @contextmanager
    def reading(self, *, silences: bool = False) -> Iterator[Reading]:  # noqa: ARG002 - not told
        """See ``Source.reading``."""
        if not self._tables[0].exists():
            raise SourceUnavailable(f"no {self._tables[0]}")
        yield Reading(self._listeners(), columns.batches(self._sockets()), columns.unpacked)

    def _listeners(self) -> Sequence[Listener]:
        return [proc_net_tcp.listener(line) for table in self._tables for line in _listening(_lines(table))]

    def _sockets(self) -> Iterator[Socket]:
        for table in self._tables:
            for one in map(proc_net_tcp.socket, _lines(table)):
                if one.state is not State.LISTEN:
                    yield one

    def close(self) -> None:
        """Nothing is kept open."""


def _listening(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines before the first one that is not of a listening socket."""
    for line in lines:
        if proc_net_tcp.state(line) is not State.LISTEN:
            return
        yield line


def _lines(table: Path) -> Iterator[bytes]:
    """The lines of *table*; none if the kernel has no IPv6."""
    rest = b""
    try:
        with table.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                lines, rest = proc_net_tcp.complete(rest + chunk, last=False)
                yield from lines
    except FileNotFoundError:
        return
    except OSError as error:
        raise ReadFailed(f"cannot read {table}: {error}") from error
    proc_net_tcp.complete(rest, last=True)
