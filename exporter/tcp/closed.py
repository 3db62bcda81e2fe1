"""Sockets that are over and that a process still holds: in state CLOSE, and in no table that anybody could dump."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from exporter.tcp.holders import Process


class Look(NamedTuple):
    """What a look into the descriptors of some processes has shown."""

    sockets: Mapping[Process, AbstractSet[int]]
    """Inodes of sockets of whatever kind."""
    suspects: Mapping[Process, int]
    """How many of the suspects, which were in no table, are TCP sockets of the process."""
