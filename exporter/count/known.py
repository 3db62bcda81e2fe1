"""The rows of watched sockets that are known, by their bytes: what each needs, in columns.

A stuck socket looks the same in every dump, so a whole row is looked up, and nothing else is done for it. Hundreds of
thousands can be known: each takes its bytes and a few numbers, some 120 bytes in all. They lie in a few large buffers,
which go back to the system when the rows have gone; as many small objects would leave it in pieces that cannot.

Rows are told apart by Python's hash of their bytes: 64 bits, with a key that is new in each process, so that nobody can
make two alike. That a new row is taken for one of 200,000 others happens once in 10^14 rows.
"""

from array import array
from collections.abc import Iterable, Iterator
from itertools import compress
from typing import Any

from exporter import masks
from exporter.count.alike import Group
from exporter.count.row_index import RowIndex

FREE = 0
EXEMPT = 1
"""Ends by itself: never stuck."""
YOUNG = 2
STUCK = 3
MOVING = 4
"""As old as one that is stuck, but data still moves on it."""

_ALIVE = frozenset({EXEMPT, YOUNG, STUCK, MOVING})
_ONLY_STUCK = frozenset({STUCK})
_UNMARKED = frozenset({0})
_NO_GROUP: Any = None
_LOWEST = 0xFFFFFFFF
_SPARSE = 4
"""Slots for each row that is left, from which on they are given back."""
_FEW = 4096
"""Slots that are always kept."""


class KnownRows:
    """Rows by key, each in a slot of its own; the columns are indexed by slot."""

    def __init__(self) -> None:
        self.index = RowIndex()
        """By hash of the key."""
        self._keys = bytearray()
        self._length = 0
        """Of a key: all rows of a source are equally long."""
        self.groups: list[Group] = []
        self.since = array("d")
        """When the socket came into its state, in seconds on a monotonic clock."""
        self.status = bytearray()
        """FREE, EXEMPT, YOUNG, STUCK or MOVING."""
        self.missed = bytearray()
        """1 where the last reading has not shown the row."""
        self.in_vain = bytearray()
        """1 where the process that holds the socket was looked for and not found."""
        self._identities = array("I")
        """The lowest bits of hashes of the identities."""
        self._local_ports = array("H")
        self._free = array("I")

    def __len__(self) -> int:
        return len(self.index)

    @property
    def capacity(self) -> int:
        """Slots, used or not."""
        return len(self.status)

    def is_alive(self, slot: int) -> bool:
        """Whether there is a row in *slot*."""
        return slot < self.capacity and self.status[slot] != FREE

    def key(self, slot: int) -> bytes:
        """That of the row in *slot*."""
        return bytes(self._keys[slot * self._length : (slot + 1) * self._length])

    def add(self, key: bytes, identity: int, local_port: int, since: float, status: int) -> int:
        """The slot of a new row, which is in no group yet; *identity* is the hash of that."""
        slot = self._free.pop() if self._free else self._grow(len(key))
        self.index.add(hash(key), slot)
        self._keys[slot * self._length : (slot + 1) * self._length] = key
        self.since[slot], self.status[slot] = since, status
        self._identities[slot], self._local_ports[slot] = identity & _LOWEST, local_port
        return slot

    def _grow(self, length: int) -> int:
        self._length = length
        self._keys += bytes(length)
        self.groups.append(_NO_GROUP)
        for column in (self.since, self.status, self.missed, self.in_vain, self._identities, self._local_ports):
            column.append(0)
        return self.capacity - 1

    def remove(self, slot: int) -> None:
        """Forget the row in *slot*."""
        self.index.remove(hash(self.key(slot)))
        self.groups[slot] = _NO_GROUP
        self.status[slot], self.missed[slot], self.in_vain[slot] = FREE, 0, 0
        self._free.append(slot)

    def alive(self) -> Iterator[int]:
        """The slots of all rows."""
        return self.having(*_ALIVE)

    def having(self, *statuses: int) -> Iterator[int]:
        """The slots of rows with one of *statuses*."""
        return compress(range(self.capacity), masks.where(self.status, frozenset(statuses)))

    def present(self) -> Iterator[int]:
        """The slots of rows that the last reading has shown."""
        return self._unmarked(_ALIVE, self.missed)

    def stuck(self) -> Iterator[int]:
        """The slots of stuck rows that the last reading has shown."""
        return self._unmarked(_ONLY_STUCK, self.missed)

    def unmarked(self, marks: bytearray) -> Iterator[int]:
        """The slots of rows whose byte in *marks* is 0, whatever becomes of them meanwhile."""
        return self._unmarked(_ALIVE, marks)

    def _unmarked(self, statuses: frozenset[int], marks: bytearray) -> Iterator[int]:
        unmarked = masks.both(masks.where(self.status, statuses), masks.where(marks, _UNMARKED))
        return compress(range(self.capacity), unmarked)

    def returned(self, marks: bytearray) -> list[int]:
        """The slots of rows that the last reading has missed, and whose byte in *marks* is not 0."""
        return [slot for slot in compress(range(self.capacity), self.missed) if marks[slot]]

    def with_identity(self, hashes: Iterable[int]) -> Iterator[int]:
        """The slots of rows whose identity has one of *hashes*, and of a few others."""
        lowest = {identity & _LOWEST for identity in hashes}
        return self._alive(map(lowest.__contains__, self._identities) if lowest else ())

    def forget_vain(self) -> None:
        """Let all holders be looked for again that were not found."""
        self.in_vain = bytearray(self.capacity)

    def with_local_port(self, ports: frozenset[int]) -> Iterator[int]:
        """The slots of rows whose local port is one of *ports*."""
        return self._alive(map(ports.__contains__, self._local_ports) if ports else ())

    def _alive(self, chosen: Iterable[bool]) -> Iterator[int]:
        return (slot for slot in compress(range(self.capacity), chosen) if self.status[slot])

    @property
    def is_sparse(self) -> bool:
        """Whether most slots are free, after many rows have gone: then it is time for ``compact``."""
        return self.capacity > _FEW and self.capacity > _SPARSE * len(self)

    def compact(self) -> None:
        """Give free slots back; those that are left get other numbers."""
        left = list(self.alive())
        keys = [self.key(slot) for slot in left]
        self.index, self._keys = RowIndex(), bytearray().join(keys)
        for slot, key in enumerate(keys):
            self.index.add(hash(key), slot)
        self.groups = [self.groups[slot] for slot in left]
        self.since = array("d", (self.since[slot] for slot in left))
        self.status = bytearray(self.status[slot] for slot in left)
        self.missed = bytearray(self.missed[slot] for slot in left)
        self.in_vain = bytearray(self.in_vain[slot] for slot in left)
        self._identities = array("I", (self._identities[slot] for slot in left))
        self._local_ports = array("H", (self._local_ports[slot] for slot in left))
        self._free = array("I")
