"""The files that bpf/skeletons.py writes: a line of JSON, and behind it data and instructions of a light skeleton.

    {"source": "walk.bpf.c", "sha256": "1d30…", "compiler": "Debian clang …", "bpftool": "bpftool v7.1.0",
     "byteorder": "little", "maps": ["listeners", …], "programs": ["walk_table", …], "data": 65912, "code": 22336}

The program that these are the instructions of fills a context with what it has made: struct bpf_loader_ctx, a struct
bpf_map_desc for each map, a struct bpf_prog_desc for each program (tools/lib/bpf/skel_internal.h of the kernel):

    offset   field                       offset   field, of the map at offset at
         0   sz (u32)                        at   map_fd (s32)
         8   log_level (u32)             at + 4   max_entries (u32)
        12   log_size (u32)              at + 8   initial_value (u64)
        16   log_buf (u64)               at + 16  the next map; a program has prog_fd (s32) and nothing else
"""

import json
import struct
from collections.abc import Mapping
from typing import NamedTuple

_HEAD = struct.Struct("=I4xIIQ")
_MAP = struct.Struct("=iIQ")
_PROGRAM = struct.Struct("=i")


class Skeleton(NamedTuple):
    """What the kernel is given."""

    maps: tuple[str, ...]
    """Their names, in the order of the context; so are those of the programs."""
    programs: tuple[str, ...]
    byteorder: str
    """As sys.byteorder of those that can run it."""
    data: bytes
    code: bytes
    built: Mapping[str, str]
    """What it was built from, and with."""


class Made(NamedTuple):
    """File descriptors by name; each is the caller's to close."""

    maps: Mapping[str, int]
    programs: Mapping[str, int]


def skeleton(content: bytes) -> Skeleton:
    """Of a whole file, which is part of this program: nothing is checked."""
    line, _, rest = content.partition(b"\n")
    head = json.loads(line)
    size = head["data"]
    built = {name: head[name] for name in ("source", "sha256", "compiler", "bpftool")}
    return Skeleton(tuple(head["maps"]), tuple(head["programs"]), head["byteorder"], rest[:size], rest[size:], built)


def context(of: Skeleton, rows: Mapping[str, int], log_size: int = 0, log_at: int = 0) -> bytes:
    """The context before the run; *rows* are the sizes of maps that are to have others than they were built with."""
    maps = b"".join(_MAP.pack(0, rows.get(name, 0), 0) for name in of.maps)
    size = _HEAD.size + len(maps) + _PROGRAM.size * len(of.programs)
    head = _HEAD.pack(size, 1 if log_size else 0, log_size, log_at)
    return (head + maps).ljust(size, b"\0")


def made(of: Skeleton, filled: bytes) -> Made:
    """What the context says after a run that has succeeded."""
    programs_at = _HEAD.size + _MAP.size * len(of.maps)
    maps = {name: _MAP.unpack_from(filled, _HEAD.size + _MAP.size * at)[0] for at, name in enumerate(of.maps)}
    programs = {
        name: _PROGRAM.unpack_from(filled, programs_at + _PROGRAM.size * at)[0] for at, name in enumerate(of.programs)
    }
    return Made(maps, programs)
