"""The programs of bpf/walk.bpf.c with their maps: called slice by slice, emptied, and closed."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from heapq import nlargest
from typing import NamedTuple

from exporter.decode import bpf_records
from exporter.decode.bpf_records import NamespaceTold, Netns, Told
from exporter.decode.light_skeleton import Made
from exporter.kernel.bpf.calls import Hash, Program, close, memory
from exporter.kernel.bpf.tables import Bitmaps, Form, Table

BUDGET_NANOSECONDS = 200_000
"""Of a slice. It is not preempted, so this is what it may add to somebody's wake-up."""
EVERYWHERE, PAIRS, PORTS = 1, 2, 4
"""Bits of what is asked for."""

_NONE = 0xFFFFFFFF
_RECORDS, _NAMESPACES, _SKETCH = 2048, 4096, 4 * 65_536
_FIRST_COME = 8192
"""Rows of destinations beyond which others are counted in the sketch."""

SERVICES = Form("service", bpf_records.SERVICE, 16_384, bpf_records.services, enough=16_384 - 1024)
TARGETS = Form("target", bpf_records.DESTINATION, 16_384, bpf_records.destinations)
PORT_PAIRS = Form("pair", bpf_records.PAIR, 16_384, bpf_records.pairs)
ADDRESSES = Form("address", bpf_records.ADDRESS, 1024, bpf_records.addresses)


class Slice(NamedTuple):
    """What a run has told."""

    told: Told
    records: bytes


class Walk:
    """The programs that have been *made*, which it closes. All methods raise BpfError, and making it OSError."""

    def __init__(self, made: Made) -> None:
        with ExitStack() as undo:
            undo.callback(close, made.maps.values(), made.programs.values())
            self._open(made)
            undo.pop_all()
        mapped = {name for name in made.maps if not name.endswith("_index") and name != "listeners"}
        close(made.maps[name] for name in mapped)  # which the mapping holds as well
        self._descriptors = [made.maps[name] for name in made.maps.keys() - mapped] + list(made.programs.values())

    def _open(self, made: Made) -> None:
        self._list, self._walk = Program(made.programs["list_namespaces"], 1), Program(made.programs["walk_table"], 6)
        self._listeners = Hash(made.maps["listeners"], bpf_records.LISTENER, 1)
        self._state = memory(made.maps["bss"], bpf_records.STATE)
        self._records = memory(made.maps["records"], bpf_records.RECORD * _RECORDS)
        self._namespaces = memory(made.maps["namespaces"], bpf_records.NAMESPACE * _NAMESPACES)
        self._served = memory(made.maps["served"], bpf_records.PORT_BITS)
        self._sketch = memory(made.maps["sketch"], _SKETCH)
        self.services, self.targets = Table(made, self._state, SERVICES), Table(made, self._state, TARGETS)
        self.pairs, self.addresses = Table(made, self._state, PORT_PAIRS), Table(made, self._state, ADDRESSES)
        self.bitmaps = Bitmaps(made, ADDRESSES.rows)

    def namespaces(self) -> Sequence[NamespaceTold]:
        """Those that there are, our own first."""
        self._list(0)
        return bpf_records.namespaces(self._namespaces[: bpf_records.NAMESPACE * self._told().namespaces])

    @property
    def knows_timers(self) -> bool:
        """Whether this kernel's timers are where they are looked for."""
        return bool(self._told().knows_timers)

    def begin(self, services: Collection[tuple[Netns, int]]) -> None:
        """Count from 0 on, with these local ports as *services'* besides those that will be found to listen."""
        for _ in self._listeners.drain():
            pass
        self._listeners.fill(bpf_records.listener_keys(services), bytes(len(services)))
        self._served[: bpf_records.PORT_BITS] = bpf_records.port_bits(port for _, port in services)
        if self.targets.used > _FIRST_COME:
            self._sketch[:_SKETCH] = bytes(_SKETCH)
        self._give_bitmaps()
        for table in (self.services, self.targets, self.addresses):
            table.clear()
        if self.pairs.used:
            self.pairs.empty()

    def _give_bitmaps(self) -> None:
        """The first addresses that are met get one; where there are too many, those that had most sockets have them."""
        if self.addresses.used > self.bitmaps.MOST:
            counts = self.addresses.counts()
            busy = [row for row, sockets in enumerate(counts) if sockets]
            if len(busy) > self.bitmaps.MOST:
                self.bitmaps.give(nlargest(self.bitmaps.MOST, busy, key=counts.__getitem__))
            else:
                self.addresses.empty()
                self.bitmaps.give([])
                self._state[bpf_records.rows_at("bitmap")] = bpf_records.NO_ROWS
        self.bitmaps.clear()

    def slices(self, options: int, table: Netns = 0, *, listening: bool = False) -> Iterator[Slice]:
        """Walk the table of our own namespace, or of another; or that of listening sockets."""
        bucket = skip = 0
        while bucket != _NONE:
            bucket = self._walk(listening, bucket, skip, BUDGET_NANOSECONDS, options, table)
            told = self._told()
            skip = told.skip
            yield Slice(told, self._records[: bpf_records.RECORD * told.records])

    def _told(self) -> Told:
        return bpf_records.told(self._state[: bpf_records.STATE])

    def close(self) -> None:
        """Close all descriptors, and give the memory back."""
        for mapped in (self._state, self._records, self._namespaces, self._served, self._sketch):
            mapped.close()
        for table in (self.services, self.targets, self.pairs, self.addresses, self.bitmaps):
            table.close()
        close(self._descriptors)
