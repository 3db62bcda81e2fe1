"""The source that counts inside the kernel: the sockets of our own network namespace, or of all that there are.

One pass over the kernel's tables tells counts by namespace, state, role and port, and a record for each socket that is
looked at by itself: what no socket is copied for costs next to nothing. It needs CAP_BPF and CAP_PERFMON to be prepared
and, from Linux 5.19 on, nothing later.
"""

import errno
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from exporter.decode import bpf_records
from exporter.decode.bpf_records import ALL_PAIRS, MOST_PAIRS, MOST_PAIRS_ELSEWHERE, NamespaceTold, Netns, Told
from exporter.errors import ReadFailed, SourceUnavailable
from exporter.kernel.bpf import skeletons
from exporter.kernel.bpf.calls import BpfError
from exporter.kernel.bpf.walk import EVERYWHERE, PAIRS, PORTS, Slice, Walk
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import NOTHING_BESIDES, Asked, Batch, Counts, Kept, Reading
from exporter.tcp.sockets import Listener

MOST_SERVICES = 8192
"""Ports that are told to the program as services'; as many are left for those that listen."""
TOGETHER = 1 << 17
"""Bytes of records at least, of several slices, that are handed over together."""
_FORBIDDEN = {errno.EPERM, errno.EACCES, errno.ENOSYS}


class Bpf:
    """The source, of our own namespace or of those *everywhere*."""

    name = "bpf"

    def __init__(self, *, everywhere: bool = True) -> None:
        self._everywhere = everywhere
        self._walk: Walk | None = None
        self.strays = 0
        """Chains of sockets that all readings together have left unawares, with a socket that moved."""
        self.lost = 0
        """Chains that were too long, and counts for which there was no room."""
        self.longest_nanoseconds = 0
        """Of a slice."""

    def prepare(self) -> None:
        """Load the programs, for as long as we may. Raises SourceUnavailable."""
        if self._walk is None:
            self._walk = Walk(skeletons.load(skeletons.TYPED, skeletons.PROBE))

    @contextmanager
    def reading(self, asked: Asked = NOTHING_BESIDES) -> Iterator[Reading]:
        """See ``Source.reading``."""
        self.prepare()
        try:
            yield self._reading(self._prepared, asked)
        except BpfError as error:
            raise (SourceUnavailable if error.number in _FORBIDDEN else ReadFailed)(f"bpf: {error}") from error

    @property
    def _prepared(self) -> Walk:
        assert self._walk is not None  # noqa: S101 - whoever asks has prepared it
        return self._walk

    def _reading(self, walk: Walk, asked: Asked) -> Reading:
        here, *others = namespaces = walk.namespaces()
        if not walk.knows_timers:
            raise SourceUnavailable("the timers of this kernel's sockets are not where they are looked for")
        walk.begin(self._services(asked, here.inum))
        return Reading(
            list(self._listeners(walk, here.inum)),
            self._batches(walk, asked, namespaces),
            partial(bpf_records.socket, own=here.inum),
            shows_inodes=False,
            elsewhere={other.inum: other.limits for other in others} if self._everywhere else {},
            namespaces_missed=0 if self._everywhere else None,
        )

    def _services(self, asked: Asked, own: Netns) -> Sequence[tuple[Netns, int]]:
        found = [
            (netns or own, port)
            for netns, ports in asked.services.items()
            if self._everywhere or netns == OWN
            for port in ports
        ]
        self.lost += max(0, len(found) - MOST_SERVICES)
        return found[:MOST_SERVICES]

    def _options(self, asked: Asked) -> int:
        return EVERYWHERE * self._everywhere | PAIRS * asked.pairs | PORTS * asked.ports_in_use

    def _listeners(self, walk: Walk, own: Netns) -> Iterator[Listener]:
        for told, records in walk.slices(EVERYWHERE * self._everywhere, listening=True):
            self._note(told)
            yield from bpf_records.listeners(records, own)

    def _batches(self, walk: Walk, asked: Asked, namespaces: Sequence[NamespaceTold]) -> Iterator[Batch]:
        options, pieces, size = self._options(asked), list[Slice](), 0
        for table in self._tables(namespaces):
            for piece in walk.slices(options, table):
                self._note(piece.told)
                if piece.records:
                    pieces.append(piece)
                    size += len(piece.records)
                if size >= TOGETHER:
                    yield _kept(pieces)
                    pieces, size = [], 0
        if pieces:
            yield _kept(pieces)
        yield from _counts(walk, asked, namespaces[0].inum)

    def _tables(self, namespaces: Sequence[NamespaceTold]) -> Sequence[Netns]:
        """The namespaces whose tables have to be walked; one that they share, once."""
        if not self._everywhere:
            return (namespaces[0].inum,)
        shared = [each.inum for each in namespaces if not each.has_own_table][:1]
        return (*shared, *(each.inum for each in namespaces if each.has_own_table))

    def _note(self, told: Told) -> None:
        self.strays += told.strays
        self.lost += told.lost
        self.longest_nanoseconds = max(self.longest_nanoseconds, told.nanoseconds)

    def close(self) -> None:
        """Close all descriptors."""
        if self._walk is not None:
            self._walk.close()
            self._walk = None


def _kept(pieces: Sequence[Slice]) -> Kept:
    first = pieces[0].told
    return Kept(bpf_records.Rows(b"".join(piece.records for piece in pieces), first.jiffies, first.now))


def _counts(walk: Walk, asked: Asked, own: Netns) -> Iterator[Counts]:
    sockets, destinations = _by_netns(walk.services.rows()), _by_netns(walk.targets.rows())
    pairs = _by_netns(walk.pairs.rows()) if asked.pairs else {}
    ports = _ports_in_use(walk) if asked.ports_in_use else {}
    for inum in sockets.keys() | destinations.keys() | pairs.keys():
        yield Counts(
            sockets.get(inum, {}),
            OWN if inum == own else inum,
            destinations.get(inum, {}),
            ports.get(inum, 0) if asked.ports_in_use else None,
            _all_pairs(pairs.get(inum, {}), MOST_PAIRS if inum == own else MOST_PAIRS_ELSEWHERE)
            if asked.pairs
            else None,
        )


def _all_pairs(pairs: dict[tuple[int, int], int], most: int) -> Mapping[tuple[int, int], int] | None:
    """None if there was no room for *most* of them, or if these are too many."""
    return pairs if pairs.pop(ALL_PAIRS, 0) <= most else None


Key = TypeVar("Key")


def _by_netns(rows: Iterable[tuple[tuple[Netns, Key], int]]) -> Mapping[Netns, dict[Key, int]]:
    """Those that are more than 0."""
    found: defaultdict[Netns, dict[Key, int]] = defaultdict(dict)
    for (inum, key), count in rows:
        if count:
            found[inum][key] = count
    return found


def _ports_in_use(walk: Walk) -> Mapping[Netns, int]:
    """On the address that has most; of one without a bitmap sockets are counted, which may share a port."""
    found: dict[Netns, int] = {}
    for ((inum, _), sockets), ports in zip(walk.addresses.rows(), walk.bitmaps.ports(), strict=False):
        found[inum] = max(found.get(inum, 0), sockets if ports is None else ports)
    return found
