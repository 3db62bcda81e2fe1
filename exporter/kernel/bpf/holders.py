"""Who has which TCP socket, and who is in which network namespace, told by the kernel's lists of them.

That takes neither the time of looking into /proc nor the privileges. Within a PID namespace only its processes are
told, by their numbers there, as in /proc.
"""

import errno
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

from exporter.decode import bpf_holders
from exporter.decode.light_skeleton import Made
from exporter.errors import ReadFailed, SourceUnavailable
from exporter.kernel.bpf import skeletons
from exporter.kernel.bpf.calls import Hash, close, iterate
from exporter.tcp.holders import HeldSocket

MOST_WANTED = 16_000
"""Inodes whose holders can be asked for together."""
_FORBIDDEN = {errno.EPERM, errno.EACCES, errno.ENOSYS}


class BpfHolders:
    """The iterators; they can be read without any privilege, from Linux 5.19 on."""

    def __init__(self) -> None:
        self._made: Made | None = None

    def prepare(self) -> None:
        """Load the programs, for as long as we may. Raises SourceUnavailable."""
        if self._made is None:
            self._made = skeletons.load(skeletons.HOLDERS)

    def held(self, inodes: Collection[int] = ()) -> Sequence[HeldSocket]:
        """The descriptors of the sockets that have these *inodes*, MOST_WANTED at most, and of all that are over.

        Raises SourceUnavailable and ReadFailed.
        """
        with self._prepared() as made:
            wanted = Hash(made.maps["wanted"], bpf_holders.INODE, 1)
            for _ in wanted.drain():
                pass
            some = list(islice(inodes, MOST_WANTED))
            wanted.fill(bpf_holders.wanted(some), bytes(len(some)))
            return bpf_holders.held(iterate(made.programs["holders"]))

    def members(self) -> Mapping[int, Sequence[int]]:
        """The processes of each network namespace that has any, by its inode; our own among them.

        Raises SourceUnavailable and ReadFailed.
        """
        with self._prepared() as made:
            return bpf_holders.members(iterate(made.programs["members"]))

    @contextmanager
    def _prepared(self) -> Iterator[Made]:
        self.prepare()
        assert self._made is not None  # noqa: S101 - it has been prepared
        try:
            yield self._made
        except OSError as error:
            raise (SourceUnavailable if error.errno in _FORBIDDEN else ReadFailed)(f"bpf: {error}") from error

    def close(self) -> None:
        """Close all descriptors."""
        if self._made is not None:
            close(self._made.maps.values(), self._made.programs.values())
            self._made = None
