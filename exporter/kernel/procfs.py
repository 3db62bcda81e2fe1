"""Sockets through /proc/self/net/tcp and tcp6, for where a sandbox forbids netlink.

The kernel formats each socket as a line of text, which takes it several times as long as a netlink message. So each
file is read once: Linux puts the listening sockets first, from which the roles of all others follow, and what stands
behind them is decoded as it comes. A file in another order, which only sandboxes have, is taken into memory whole.
There are no cookies and no backlogs.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from pathlib import Path

from exporter.decode import proc_net_tcp
from exporter.errors import ReadFailed, SourceUnavailable
from exporter.tcp import columns
from exporter.tcp.reading import NOTHING_BESIDES, Asked, Reading
from exporter.tcp.states import State

CHUNK = 1 << 16
ENOUGH = 256
"""Lines that tell which order a file is in; they are kept until the others have been read."""


class Procfs:
    """The source over the files below *proc*, by default those of this process' network namespace."""

    name = "procfs"

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._tables = (proc / "self/net/tcp", proc / "self/net/tcp6")

    @contextmanager
    def reading(self, asked: Asked = NOTHING_BESIDES) -> Iterator[Reading]:  # noqa: ARG002 - not told
        """See ``Source.reading``."""
        _require(self._tables[0])
        with ExitStack() as opened:
            tables = [opened.enter_context(closing(_lines(table))) for table in self._tables]
            heads = [_head(lines) for lines in tables]
            yield _reading(list(chain(*heads)), chain.from_iterable(map(chain, heads, tables)))

    def close(self) -> None:
        """Nothing is kept open."""


def _require(table: Path) -> None:
    """Raises SourceUnavailable where *table* is not there, or not to be seen."""
    try:
        table.stat()
    except OSError as error:
        raise SourceUnavailable(f"no {table}: {error.strerror}") from error


def _head(lines: Iterator[bytes]) -> Sequence[bytes]:
    """The first *lines*, with all that listen; that are all of them where Linux would have another order."""
    head: list[bytes] = []
    for line in lines:
        head.append(line)
        if len(head) >= ENOUGH and proc_net_tcp.state(line) is not State.LISTEN:
            break
    is_linux = proc_net_tcp.listen_first(head) and not proc_net_tcp.are_bare(head)
    return head if is_linux else [*head, *lines]


def _reading(heads: Sequence[bytes], lines: Iterable[bytes]) -> Reading:
    """Of all *lines*; those that listen are among the *heads*."""
    is_bare = proc_net_tcp.are_bare(heads)
    listener = proc_net_tcp.bare_listener if is_bare else proc_net_tcp.listener
    socket = proc_net_tcp.bare_socket if is_bare else proc_net_tcp.socket
    listeners = [listener(line) for line in heads if proc_net_tcp.state(line) is State.LISTEN]
    others = (one for one in map(socket, lines) if one.state is not State.LISTEN)
    return Reading(listeners, columns.batches(others), columns.unpacked, tells_verdicts=not is_bare)


def _lines(table: Path) -> Generator[bytes, None, None]:
    """The lines of *table*; none if the kernel has no IPv6."""
    rest = b""
    try:
        with table.open("rb", buffering=0) as file:
            chunk = file.read(CHUNK)
            if not proc_net_tcp.has_heading(chunk):
                raise SourceUnavailable(f"{table} is no table of sockets: it has no heading")
            while chunk:
                lines, rest = proc_net_tcp.complete(rest + chunk, last=False)
                yield from lines
                chunk = file.read(CHUNK)
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise SourceUnavailable(f"{table} may not be read: {error}") from error
    except OSError as error:
        raise ReadFailed(f"cannot read {table}: {error}") from error
    proc_net_tcp.complete(rest, last=True)
