"""Where each known row is, by the hash of its bytes.

A dict would do, but for the two objects that it takes for each of hundreds of thousands of rows: 120 bytes, in pieces
so small that hardly anything goes back to the system when the rows have gone. So only rows that came lately are in a
dict; the others are in two arrays, 12 bytes each, sorted by hash.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import compress, repeat

LATELY = 8192
"""Rows that a dict holds before they are put into the arrays."""
_GONE = 0xFFFFFFFF
"""In place of a slot, where a row has been removed."""
_END = (1 << 63) - 1
"""Behind the last hash, so that there is one to look at for each that is sought: a hash that is no row's."""
_PARTS = 1024
"""That the hashes are divided into by their upper bits: a search begins in the right one."""
_SHIFT = 64 - 10


class RowIndex:
    """Slots, which are numbers below 2^32 - 1, by hash."""

    def __init__(self) -> None:
        self._lately: dict[int, int] = {}
        self._hashes, self._slots = array("q"), array("I")
        self._removed = 0
        self._end()

    def __len__(self) -> int:
        return len(self._lately) + len(self._hashes) - 1 - self._removed

    def __contains__(self, sought: int) -> bool:
        return self.slots([sought]) != [None]

    def slots(self, hashes: Sequence[int]) -> list[int | None]:
        """The slot of each row by its hash, None for those that are not known."""
        known, slots, lately = self._hashes, self._slots, self._lately
        parts = [sought >> _SHIFT for sought in hashes]
        bounds = map(self._starts.__getitem__, parts), map(self._stops.__getitem__, parts)
        places = map(bisect_left, repeat(known), hashes, *bounds)
        found: list[int | None] = [
            slots[at] if known[at] == sought else _GONE for at, sought in zip(places, hashes, strict=True)
        ]
        if _GONE in found:
            return [lately.get(sought) if slot == _GONE else slot for slot, sought in zip(found, hashes, strict=True)]
        return found

    def add(self, key: int, slot: int) -> None:
        """Enter a row that is not known."""
        self._lately[key] = slot
        if len(self._lately) > LATELY:
            self._settle()

    def remove(self, key: int) -> None:
        """Take out a row that is known."""
        if self._lately.pop(key, None) is None:
            self._slots[bisect_left(self._hashes, key)] = _GONE
            self._removed += 1
            if self._removed > LATELY:
                self._settle()

    def _settle(self) -> None:
        """Merge what came lately into the arrays, and leave out what has been removed."""
        old_hashes, old_slots = self._left()
        self._hashes, self._slots = array("q"), array("I")
        before = 0
        for key, slot in sorted(self._lately.items()):
            at = bisect_left(old_hashes, key, before)
            self._hashes += old_hashes[before:at]
            self._slots += old_slots[before:at]
            self._hashes.append(key)
            self._slots.append(slot)
            before = at
        self._hashes += old_hashes[before:]
        self._slots += old_slots[before:]
        self._lately, self._removed = {}, 0
        self._end()

    def _left(self) -> tuple["array[int]", "array[int]"]:
        """The arrays without what has been removed, and without their end."""
        if not self._removed:
            return self._hashes[:-1], self._slots[:-1]
        is_left = bytes(slot != _GONE for slot in self._slots)
        return array("q", compress(self._hashes, is_left)), array("I", compress(self._slots, is_left))

    def _end(self) -> None:
        starts = [bisect_left(self._hashes, part << _SHIFT) for part in range(-_PARTS // 2, _PARTS // 2)]
        stops = [*starts[1:], len(self._hashes)]
        self._starts, self._stops = _from_zero(starts), _from_zero(stops)
        self._hashes.append(_END)
        self._slots.append(_GONE)


def _from_zero(of_parts: Sequence[int]) -> Sequence[int]:
    """What stands for each part, from the lowest, which is negative, so that it is found by the number of the part."""
    return [*of_parts[_PARTS // 2 :], *of_parts[: _PARTS // 2]]
