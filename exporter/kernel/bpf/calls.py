"""The system call bpf(2), as far as it is needed: light skeletons, runs, maps, iterators.

The fields of union bpf_attr are laid out by command (include/uapi/linux/bpf.h); a kernel that knows more of them than
stand here takes the others for zero, one that knows fewer wants those to be zero.
"""

import ctypes
import errno
import mmap
import os
import platform
import struct
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from exporter.decode.light_skeleton import Made, Skeleton, context, made

_NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "ppc64le": 361}
"""Of the system call, on the little-endian machines with 64 bits that there are."""

_MAP_CREATE = 0
_MAP_UPDATE_ELEM = 2
_PROG_LOAD = 5
_PROG_TEST_RUN = 10
_MAP_LOOKUP_AND_DELETE_BATCH = 25
_MAP_UPDATE_BATCH = 26
_LINK_CREATE = 28
_ITER_CREATE = 33

_MAP_TYPE_ARRAY = 2
_PROG_TYPE_SYSCALL = 31
_SLEEPABLE = 1 << 4
_TRACE_ITER = 28

# What is passed for each command, and how long the attributes are; addresses are 64 bits.
_MAP = struct.Struct("=IIIIIII16s")  # type, sizes of key and value, rows, flags, inner map, NUMA node, name
_ELEMENT = struct.Struct("=I4xQQQ")  # map, key, value, flags
_PROGRAM = struct.Struct("=IIQQ20xI16s56xQ")  # type, number of instructions, these, licence, flags, name, descriptors
_RUN = struct.Struct("=II32xI4xQ24x")  # program, what it returns, size of the context, context
_BATCH = struct.Struct("=QQQQIIQQ")  # tokens in and out, keys, values, number of rows, map, flags
_LINK = struct.Struct("=IIII")  # program, target, type, flags
_ITERATOR = struct.Struct("=II")  # link, flags
_LOG = 1 << 20
"""Bytes that the verifier may say."""
LOADING = "load the programs"
"""The step at which the kernel looks at the programs themselves."""
BATCH = 4096
"""Rows that are taken out of a map, or put into it, together."""


class BpfError(OSError):
    """The kernel refused at a *step*; *log* is what its verifier says, if it was asked."""

    def __init__(self, step: str, number: int, log: str = "") -> None:
        super().__init__(number, f"{step}: {os.strerror(number)}")
        self.step = step
        self.number = number
        self.log = log


_libc = ctypes.CDLL(None, use_errno=True)


def _call(step: str, command: int, attributes: "ctypes.Array[ctypes.c_char]") -> int:
    """What the kernel answers. Raises BpfError."""
    number = _NUMBERS.get(platform.machine())
    if number is None:
        raise BpfError(step, errno.ENOSYS)
    answer = int(_libc.syscall(number, command, attributes, len(attributes)))
    if answer < 0:
        raise BpfError(step, ctypes.get_errno())
    return answer


def _buffer(content: bytes) -> "ctypes.Array[ctypes.c_char]":
    return ctypes.create_string_buffer(content, len(content))


def load(skeleton: Skeleton, rows: Mapping[str, int] | None = None, *, verbose: bool = False) -> tuple[Made, str]:
    """Make the maps and load the programs; the log of the verifier, if it is to be *verbose*.

    *rows* are the sizes of maps that are to have others than they were built with. Raises BpfError.
    """
    scratch = _call("make a map", _MAP_CREATE, _buffer(_array(len(skeleton.data))))
    loader = -1
    try:
        _put(scratch, bytes(4), skeleton.data)
        loader = _load_loader(scratch, skeleton.code)
        return _run_loader(loader, skeleton, rows or {}, _LOG if verbose else 0)
    finally:
        for descriptor in (scratch, loader):
            if descriptor >= 0:
                os.close(descriptor)


def _array(size: int) -> bytes:
    """Of one value of so many bytes."""
    return _MAP.pack(_MAP_TYPE_ARRAY, 4, size, 1, 0, 0, 0, b"skeleton")


def _put(map_: int, key: bytes, value: bytes) -> None:
    kept = _buffer(key), _buffer(value)
    _call("fill a map", _MAP_UPDATE_ELEM, _buffer(_ELEMENT.pack(map_, *map(ctypes.addressof, kept), 0)))


def _load_loader(scratch: int, code: bytes) -> int:
    kept = _buffer(code), _buffer(b"Dual BSD/GPL\0"), _buffer(struct.pack("=i", scratch))
    instructions, licence, descriptors = map(ctypes.addressof, kept)
    head = _PROG_TYPE_SYSCALL, len(code) // 8, instructions, licence
    return _call("load the loader", _PROG_LOAD, _buffer(_PROGRAM.pack(*head, _SLEEPABLE, b"skeleton", descriptors)))


def _run_loader(loader: int, skeleton: Skeleton, rows: Mapping[str, int], log_size: int) -> tuple[Made, str]:
    log = ctypes.create_string_buffer(log_size + 1)
    filled = _buffer(context(skeleton, rows, log_size, ctypes.addressof(log) if log_size else 0))
    answer = _run("run the loader", loader, filled)
    said = log.value.decode(errors="replace")
    if answer < 0:
        raise BpfError(LOADING, -answer, said)
    return made(skeleton, filled.raw), said


def _run(step: str, program: int, context_: "ctypes.Array[Any]") -> int:
    """What the *program* returns for that context, which it may change."""
    attributes = _buffer(_RUN.pack(program, 0, ctypes.sizeof(context_), ctypes.addressof(context_)))
    _call(step, _PROG_TEST_RUN, attributes)
    return int(struct.unpack_from("=i", attributes, 4)[0])


class Program:
    """A program of a raw tracepoint, which is attached to none: called with so many *words* of 64 bits."""

    def __init__(self, descriptor: int, words: int) -> None:
        self._context = (ctypes.c_uint64 * words)()
        self._attributes = _buffer(
            _RUN.pack(descriptor, 0, ctypes.sizeof(self._context), ctypes.addressof(self._context))
        )
        self._answer = ctypes.c_uint32.from_buffer(self._attributes, 4)

    def __call__(self, *words: int) -> int:
        """What it returns. Raises BpfError."""
        self._context[:] = list(words)
        _call("run a program", _PROG_TEST_RUN, self._attributes)
        return self._answer.value


class Hash:
    """A map from keys of *key* bytes to values of *value* bytes: filled, and emptied, many rows at a time."""

    def __init__(self, descriptor: int, key: int, value: int) -> None:
        self._descriptor, self._key, self._value = descriptor, key, value

    def fill(self, keys: bytes, values: bytes) -> None:
        """Put rows in, end to end. Raises BpfError: E2BIG if there is no room."""
        kept = _buffer(keys), _buffer(values)
        places = 0, 0, *map(ctypes.addressof, kept)
        rows = len(keys) // self._key
        if rows:
            _call("fill a map", _MAP_UPDATE_BATCH, _buffer(_BATCH.pack(*places, rows, self._descriptor, 0, 0)))

    def drain(self) -> Iterator[tuple[bytes, bytes]]:
        """Take all rows out: keys and values, end to end, of some of them at a time. Raises BpfError."""
        kept = [ctypes.create_string_buffer(size) for size in (8, BATCH * self._key, BATCH * self._value)]
        token, keys, values = map(ctypes.addressof, kept)
        after, is_last = 0, False
        while not is_last:
            attributes = _buffer(_BATCH.pack(after, token, keys, values, BATCH, self._descriptor, 0, 0))
            is_last = self._is_last(attributes)
            rows, after = struct.unpack_from("=I", attributes, 32)[0], token
            yield kept[1].raw[: rows * self._key], kept[2].raw[: rows * self._value]

    @staticmethod
    def _is_last(attributes: "ctypes.Array[ctypes.c_char]") -> bool:
        """Take some rows out; whether that were all."""
        try:
            _call("empty a map", _MAP_LOOKUP_AND_DELETE_BATCH, attributes)
        except BpfError as error:
            if error.number != errno.ENOENT:
                raise
            return True
        return False


def memory(descriptor: int, size: int) -> mmap.mmap:
    """The values of a map, *size* bytes of them, as they are: to be read and written. Raises OSError."""
    return mmap.mmap(descriptor, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE, mmap.MAP_SHARED)


def close(*descriptors: Iterable[int]) -> None:
    """Close them all."""
    for descriptor in chain(*descriptors):
        os.close(descriptor)


def iterate(program: int) -> bytes:
    """All that an iterator writes. Raises BpfError, and OSError."""
    link = _call("make a link", _LINK_CREATE, _buffer(_LINK.pack(program, 0, _TRACE_ITER, 0)))
    try:
        with open(_call("make an iterator", _ITER_CREATE, _buffer(_ITERATOR.pack(link, 0))), "rb") as file:
            return file.read()
    finally:
        os.close(link)
