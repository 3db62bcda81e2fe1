"""The source that counts inside the kernel: the sockets of our own network namespace, or of all that there are.

One pass over the kernel's tables tells counts by namespace, state, role and port, and a record for each socket that is
looked at by itself: what no socket is copied for costs next to nothing. It needs CAP_BPF and CAP_PERFMON to be prepared
and, from Linux 5.19 on, nothing later.
"""

import errno
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from typing import TypeVar

from exporter.decode import bpf_records
from exporter.decode.bpf_records import ALL_PAIRS, MOST_PAIRS, MOST_PAIRS_ELSEWHERE, NamespaceTold, Netns, Told
from exporter.errors import ReadFailed, SourceUnavailable
from exporter.kernel.bpf import skeletons
from exporter.kernel.bpf.calls import BpfError
from exporter.kernel.bpf.holders import BpfHolders
from exporter.kernel.bpf.proof import Chosen, Seen, proved, seen
from exporter.kernel.bpf.walk import EVERYWHERE, PAIRS, PORTS, Slice, Walk
from exporter.kernel.limits import ephemeral
from exporter.kernel.sock_diag import SockDiag
from exporter.kernel.source import Source
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import NOTHING_BESIDES, Asked, Counts, Kept, Missed, Reading
from exporter.tcp.sockets import Listener

MOST_SERVICES = 8192
"""Ports that are told to the program as services'; as many are left for those that listen."""
TOGETHER = 1 << 17
"""Bytes of records at least, of several slices, that are handed over together."""
PROOF_SECONDS = 3600.0
"""Between two comparisons with sock_diag."""
_FORBIDDEN = {errno.EPERM, errno.EACCES, errno.ENOSYS}


class Bpf:
    """The source, of our own namespace or of those *everywhere*."""

    name = "bpf"

    def __init__(self, *, everywhere: bool = True, witness: Callable[[], Source] = SockDiag) -> None:
        self._everywhere, self._witness = everywhere, witness
        self._walk: Walk | None = None
        self._holders = BpfHolders()
        self._proof_due = -math.inf
        self._refuted = ""
        self.strays = 0
        """Chains of sockets that all readings together have left unawares, with a socket that moved."""
        self.lost = 0
        """Chains that were too long, and counts for which there was no room."""
        self.longest_nanoseconds = 0
        """Of a slice."""

    def prepare(self) -> None:
        """Load the programs, for as long as we may. Raises SourceUnavailable."""
        if self._walk is None:
            self._holders.prepare()
            try:
                self._walk = Walk(skeletons.load(skeletons.TYPED, skeletons.PROBE))
            except OSError as error:
                raise SourceUnavailable(f"no room for what the programs tell: {error}") from error

    @contextmanager
    def reading(self, asked: Asked = NOTHING_BESIDES) -> Iterator[Reading]:
        """See ``Source.reading``."""
        self.prepare()
        walk = self._walk
        assert walk is not None  # noqa: S101 - it has been prepared
        try:
            self._prove(walk, asked.now)
            yield self._reading(walk, asked, everywhere=self._everywhere)
        except BpfError as error:
            raise (SourceUnavailable if error.number in _FORBIDDEN else ReadFailed)(f"bpf: {error}") from error

    def _prove(self, walk: Walk, now: float) -> None:
        """Once in a while, and once found wrong never again believed. Raises SourceUnavailable and SampleError."""
        if now >= self._proof_due and not self._refuted:
            self._refuted = self._timers_unknown(walk) or self._ports_differ(walk) or self._sockets_differ(walk)
            self._proof_due = now + PROOF_SECONDS
        if self._refuted:
            raise SourceUnavailable(f"bpf tells otherwise than the kernel: {self._refuted}")

    @staticmethod
    def _timers_unknown(walk: Walk) -> str:
        walk.namespaces()
        return "" if walk.knows_timers else "the timers of sockets are not where they are looked for"

    @staticmethod
    def _ports_differ(walk: Walk) -> str:
        found, expected = walk.namespaces()[0].limits.ephemeral, ephemeral()
        return "" if expected in {None, found} else f"local ports {found}, where /proc/sys tells {expected}"

    def _sockets_differ(self, walk: Walk) -> str:
        with closing(self._witness()) as witness:

            def by_witness(chosen: Chosen) -> Seen:
                try:
                    with witness.reading() as reading:
                        return seen(reading, chosen)
                except SourceUnavailable as unavailable:
                    raise SourceUnavailable(f"nothing to compare it with: {unavailable}") from unavailable

            return proved(
                by_witness, lambda chosen: seen(self._reading(walk, NOTHING_BESIDES, everywhere=False), chosen)
            )

    def _reading(self, walk: Walk, asked: Asked, *, everywhere: bool) -> Reading:
        here, *others = namespaces = walk.namespaces()
        walk.begin(self._services(asked, here.inum))
        tables = _tables(namespaces) if everywhere else (here.inum,)
        options = EVERYWHERE * everywhere | PAIRS * asked.pairs | PORTS * asked.ports_in_use
        return Reading(
            list(self._listeners(walk, options, here.inum)),
            chain(self._kept(walk, options, tables), _counts(walk, asked, here.inum), self._missed()),
            partial(bpf_records.socket, own=here.inum),
            shows_inodes=False,
            elsewhere={other.inum: other.limits for other in others} if everywhere else {},
            held=self._holders.held,
            members=self._holders.members,
            namespaces_missed=0 if everywhere else None,
        )

    def _services(self, asked: Asked, own: Netns) -> Sequence[tuple[Netns, int]]:
        """Those of a namespace that has many come last: none takes the room of others."""
        by_number = sorted(asked.services.items(), key=lambda item: (item[0] != OWN, len(item[1])))
        found = [
            (netns or own, port) for netns, ports in by_number if self._everywhere or netns == OWN for port in ports
        ]
        self.lost += max(0, len(found) - MOST_SERVICES)
        return found[:MOST_SERVICES]

    def _listeners(self, walk: Walk, options: int, own: Netns) -> Iterator[Listener]:
        for told, records in walk.slices(options, listening=True):
            self._note(told)
            yield from bpf_records.listeners(records, own)

    def _kept(self, walk: Walk, options: int, tables: Iterable[Netns]) -> Iterator[Kept]:
        pieces, size = list[Slice](), 0
        for table in tables:
            for piece in walk.slices(options, table):
                self._note(piece.told)
                if piece.records:
                    pieces.append(piece)
                    size += len(piece.records)
                if size >= TOGETHER:
                    yield _joined(pieces)
                    pieces, size = [], 0
        if pieces:
            yield _joined(pieces)

    def _missed(self) -> Iterator[Missed]:
        yield Missed(self.strays, self.lost, self.longest_nanoseconds / 1e9)

    def _note(self, told: Told) -> None:
        self.strays += told.strays
        self.lost += told.lost
        self.longest_nanoseconds = max(self.longest_nanoseconds, told.nanoseconds)

    def close(self) -> None:
        """Close all descriptors."""
        self._holders.close()
        if self._walk is not None:
            self._walk.close()
            self._walk = None


def _tables(namespaces: Sequence[NamespaceTold]) -> Sequence[Netns]:
    """The namespaces whose tables have to be walked; one that many share, once."""
    shared = [each.inum for each in namespaces if not each.has_own_table][:1]
    return (*shared, *(each.inum for each in namespaces if each.has_own_table))


def _joined(pieces: Sequence[Slice]) -> Kept:
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
