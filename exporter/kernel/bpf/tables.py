"""Counts by key, as the program in the kernel keeps them: a row for each key that it has met.

Rows stay from one sample to the next, so that neither side has to make them anew: the kernel finds the row of a key in
a map, and what a key means is decoded once. Only the counts begin at 0 each time. When most rows are in use, and many
of them by keys that nobody has any more, all keys are forgotten.
"""

import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from exporter.decode import bpf_records
from exporter.decode.light_skeleton import Made
from exporter.kernel.bpf.calls import Hash, memory

_COUNT = 8
_PLACE = 4
"""Bytes."""

Key = TypeVar("Key")


@dataclass(frozen=True)
class Form(Generic[Key]):
    """What a table is called, and what its keys are."""

    name: str
    size: int
    """Bytes of a key."""
    rows: int
    """How many there can be."""
    decode: Callable[[bytes], Sequence[Key]]
    """Of keys end to end."""
    enough: int | None = None
    """Rows in use beyond which there are keys without one, so that others had better come first next time."""


class Table(Generic[Key]):
    """One of the tables that have been *made*; *state* is where the program says how many rows are in use."""

    def __init__(self, made: Made, state: mmap.mmap, form: Form[Key]) -> None:
        self._form, self._state, self._used_at = form, state, bpf_records.rows_at(form.name)
        self._index = Hash(made.maps[f"{form.name}_index"], form.size, _PLACE)
        self._keys = memory(made.maps[f"{form.name}_keys"], form.size * form.rows)
        self._counts = memory(made.maps[f"{form.name}_counts"], _COUNT * form.rows)
        self._known: list[Key] = []

    @property
    def used(self) -> int:
        """Rows in use; more than there are if that was not enough."""
        return bpf_records.rows(self._state[self._used_at])

    @property
    def _end(self) -> int:
        return min(self.used, self._form.rows)

    def clear(self) -> None:
        """Set all counts to 0, and forget the keys if that is of use."""
        is_worn = self._is_worn()
        self._counts[: _COUNT * self._end] = bytes(_COUNT * self._end)
        if is_worn:
            self._forget()

    def empty(self) -> None:
        """Forget all keys."""
        self._counts[: _COUNT * self._end] = bytes(_COUNT * self._end)
        self._forget()

    def _is_worn(self) -> bool:
        if self._form.enough is not None and self.used > self._form.enough:
            return True
        if self.used < self._form.rows * 3 // 4:
            return False
        counts = self.counts()
        return 2 * counts.count(0) >= len(counts)

    def _forget(self) -> None:
        for _ in self._index.drain():
            pass
        self._state[self._used_at] = bpf_records.NO_ROWS
        self._known.clear()

    def counts(self) -> Sequence[int]:
        """Of the rows in use."""
        return bpf_records.counts(self._counts[: _COUNT * self._end])

    def rows(self) -> Iterator[tuple[Key, int]]:
        """Keys and counts of the rows in use; keys that nobody has any more count 0."""
        size = self._form.size
        self._known.extend(self._form.decode(self._keys[size * len(self._known) : size * self._end]))
        return zip(self._known, self.counts(), strict=True)

    def close(self) -> None:
        """Give the memory back."""
        self._keys.close()
        self._counts.close()


class Bitmaps:
    """A bit for each local port on some addresses, which are named by their rows in the table of addresses."""

    MOST = 64
    _SIZE = bpf_records.PORT_BITS

    def __init__(self, made: Made, rows: int) -> None:
        self._rows = rows
        self._bits = memory(made.maps["bitmaps"], self._SIZE * self.MOST)
        self._of = memory(made.maps["bitmap_of"], _COUNT * rows)

    def clear(self) -> None:
        """Take all bits away."""
        size = self._SIZE * max(self._places())
        self._bits[:size] = bytes(size)

    def ports(self) -> Sequence[int | None]:
        """By row, how many ports have their bit; None for those without a bitmap."""
        return [self._ports(place) if place else None for place in self._places()]

    def _ports(self, place: int) -> int:
        return int.from_bytes(self._bits[self._SIZE * (place - 1) : self._SIZE * place]).bit_count()

    def give(self, rows: Iterable[int]) -> None:
        """Let the addresses in these *rows*, of which there are at most MOST, have one each, and no others."""
        places = [0] * self._rows
        for place, row in enumerate(rows, 1):
            places[row] = place
        self._of[: _COUNT * self._rows] = bpf_records.placed(places)

    def _places(self) -> Sequence[int]:
        return bpf_records.places(self._of[: _COUNT * self._rows])

    def close(self) -> None:
        """Give the memory back."""
        self._bits.close()
        self._of.close()
