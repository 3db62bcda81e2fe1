"""Has native numbers read and written as on a big-endian machine: a plugin for pytest.

    python -m pytest -p tests.lab.big_endian tests/decode

It has to be loaded before the modules that it is for, since these keep what ``struct`` and ``array`` give them.
"""

import array
import struct
import sys
from collections.abc import Callable
from typing import Any, Self


def _swapped(call: Callable[..., Any]) -> Callable[..., Any]:
    """A function of ``struct``, to which the form is given first: in the order of the machine means big-endian."""
    return lambda form, *rest: call(form.replace("=", ">") if isinstance(form, str) else form, *rest)


class _Array(array.array):  # type: ignore[type-arg]
    """One whose bytes are in the order of that machine where it is made of bytes."""

    def __new__(cls, code: str, content: Any = ()) -> Self:
        made = super().__new__(cls, code, content)
        if isinstance(content, bytes):
            made.byteswap()
        return made


sys.byteorder = "big"
array.array = _Array  # type: ignore[misc]
for name in ("Struct", "pack", "pack_into", "unpack", "unpack_from", "calcsize"):
    setattr(struct, name, _swapped(getattr(struct, name)))
