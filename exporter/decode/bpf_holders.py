"""What the iterators of bpf/holders.bpf.c write: rows end to end, of descriptors of sockets, and of processes.

A struct holder is a descriptor of a TCP socket, a struct member a process or one of its threads that is elsewhere:

    offset  field                     offset  field
         0  inode (u64)                    0  pid (u32)
         8  pid (u32)                      4  inum (u32)
        12  inum (u32), 16  is_over (u8)
"""

import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from exporter.tcp.holders import HeldSocket

_HOLDER = struct.Struct("=QIIB7x")
_MEMBER = struct.Struct("=II")
INODE = 8
_INODE = struct.Struct("=Q")


def held(content: bytes) -> Sequence[HeldSocket]:
    """In the order in which they were met."""
    rows = (HeldSocket(inode, pid, inum, bool(is_over)) for inode, pid, inum, is_over in _HOLDER.iter_unpack(content))
    return list(dict.fromkeys(rows))


def members(content: bytes) -> Mapping[int, Sequence[int]]:
    """The numbers of processes by the inode of a network namespace that they, or threads of theirs, are in."""
    found: defaultdict[int, dict[int, None]] = defaultdict(dict)
    for pid, inum in _MEMBER.iter_unpack(content):
        found[inum][pid] = None
    return {inum: list(pids) for inum, pids in found.items()}


def wanted(inodes: Iterable[int]) -> bytes:
    """Keys of the map that says whose holders are wanted, end to end."""
    return b"".join(map(_INODE.pack, inodes))
