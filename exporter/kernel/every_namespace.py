"""The sockets of all network namespaces that have a process or a file, through NETLINK_SOCK_DIAG in each of them.

Each dump walks the table of the whole host and leaves out what is of other namespaces, so this costs as many walks as
there are namespaces; counting in the kernel needs one. A netlink socket keeps its namespace alive, so none is kept.
"""

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from exporter.decode.inet_diag import Rows
from exporter.decode.proc_status import Capability
from exporter.errors import ReadFailed, SourceUnavailable
from exporter.kernel import privileges
from exporter.kernel.entering import entered
from exporter.kernel.limits import LimitsReader
from exporter.kernel.namespaces import Namespaces
from exporter.kernel.sock_diag import SCARCE, SockDiag, connect
from exporter.tcp.limits import Limits
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import NOTHING_BESIDES, Asked, Batch, Bulk, Reading, Watched
from exporter.tcp.sockets import Listener

log = logging.getLogger(__name__)

ASKED = 8192
"""Namespaces at most."""
MANY = 10
"""From which on it is worth a word that there is a cheaper way."""
_ENDED = {errno.ENOENT, errno.ESRCH}
"""What the last process of a namespace leaves behind in /proc."""


class _Gone(Exception):
    """There is no such namespace any more."""


class EveryNamespace:
    """The source over one netlink socket for our own namespace, and another that is made anew in each of the others."""

    name = "sock_diag"

    def __init__(self, namespaces: Namespaces | None = None, own: SockDiag | None = None) -> None:
        self._namespaces = namespaces or Namespaces()
        self._own = own or SockDiag()
        self._place = OWN
        """The namespace in which the next socket is made."""
        self._other = SockDiag(self._connect)
        self._limits: dict[int, LimitsReader] = {}
        self._said: set[str] = set()

    @contextmanager
    def reading(self, asked: Asked = NOTHING_BESIDES) -> Iterator[Reading]:
        """See ``Source.reading``. One that cannot be entered is left out, and counted."""
        with self._own.reading(asked) as own:
            found = sorted(self._namespaces.found(asked.now))[:ASKED]
            listeners, elsewhere, missed = list(own.listeners), dict[int, Limits](), 0
            for number in found:
                try:
                    here, elsewhere[number] = self._look(number, asked)
                    listeners += here
                except SourceUnavailable:
                    missed += 1
                except _Gone:
                    continue
            self._limits = {number: self._limits[number] for number in elsewhere}
            self._say(len(elsewhere), missed)
            batches = self._batches(own, elsewhere, asked)
            yield Reading(
                listeners,
                batches,
                own.socket,
                elsewhere=elsewhere,
                members=self._namespaces.members,
                namespaces_missed=missed,
            )

    def _look(self, number: int, asked: Asked) -> tuple[list[Listener], Limits]:
        """Who listens in the namespace, and its limits. Raises SourceUnavailable if it cannot be entered, and _Gone."""
        with self._at(number, asked) as reading:
            return [one._replace(netns=number) for one in reading.listeners], self._limits_of(number, asked.now)

    def _limits_of(self, number: int, now: float) -> Limits:
        reader = self._limits.setdefault(number, LimitsReader(net="thread-self/net"))
        with self._entered(number):
            return reader.read_elsewhere(now)

    def _batches(self, own: Reading, elsewhere: dict[int, Limits], asked: Asked) -> Iterator[Batch]:
        yield from own.batches
        for number in elsewhere:
            with ExitStack() as stack:
                try:
                    reading = stack.enter_context(self._at(number, asked))
                except (SourceUnavailable, _Gone):  # and its sockets with it
                    continue
                yield from (_in(number, batch) for batch in reading.batches)

    @contextmanager
    def _at(self, number: int, asked: Asked) -> Iterator[Reading]:
        self._place = number
        try:
            with self._other.reading(asked) as reading:
                yield reading
        finally:
            self._other.close()

    def _connect(self) -> socket.socket:
        with self._entered(self._place):
            return connect()

    @contextmanager
    def _entered(self, number: int) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                descriptor = self._namespaces.open(number)
                stack.callback(os.close, descriptor)
                stack.enter_context(entered(descriptor))
            except OSError as error:
                raise _not_entered(number, error) from error
            yield

    def _say(self, number: int, missed: int) -> None:
        """Once each."""
        is_blind = not privileges.held().has(Capability.SYS_PTRACE)
        hints = {
            f"{missed} network namespaces cannot be entered, which takes CAP_SYS_ADMIN and CAP_SYS_PTRACE": missed > 0,
            "network namespaces of other users' processes are not even seen, which takes CAP_SYS_PTRACE": is_blind,
            f"{number} network namespaces are read one by one, each with a walk over the table of the whole host:"
            " source bpf counts all of them in one": number >= MANY,
        }
        for place, (hint, holds) in enumerate(hints.items()):
            if holds and str(place) not in self._said:
                self._said.add(str(place))
                log.warning("%s", hint)

    def close(self) -> None:
        """Close the netlink socket of our own namespace."""
        self._own.close()


def _not_entered(number: int, error: OSError) -> Exception:
    """What there is none left of for the moment does not say that the namespace cannot be entered."""
    if error.errno in _ENDED:
        return _Gone()
    kind = ReadFailed if error.errno in SCARCE else SourceUnavailable
    return kind(f"cannot enter network namespace {number}: {error.strerror}")


def _in(number: int, batch: Batch) -> Batch:
    """The same, as of the namespace by that number."""
    match batch:
        case Bulk():
            return batch._replace(netns=number)
        case Watched(Rows() as rows):
            return batch._replace(rows=rows._replace(netns=number), netns=number)
    return batch
