"""The words for what was found: how sockets end, where they are, and who holds them."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from exporter.count.ports import OTHER
from exporter.count.stuck import OwnerRow, WatchedCount
from exporter.tcp.holders import Owner
from exporter.tcp.sockets import Row
from exporter.tcp.verdicts import ACCEPT, CLOSE, KEEPALIVE, NOTHING, READ, Verdict

_CONTAINER = re.compile(r"([0-9a-f]{12})[0-9a-f]{20,}")


class _Words(NamedTuple):
    """How a verdict is said."""

    of_all: str
    """After "are stuck", if all of the sockets have it."""
    of_some: str
    """After the number of those that have it."""
    of_one: str
    """Of a single socket, in a column."""


# In the order in which they are said; none for those that end by themselves, which are never stuck.
_WORDS: Mapping[Verdict, _Words] = {
    NOTHING: _Words("and nothing will end {them}", "that nothing will end", "nothing ends it"),
    KEEPALIVE: _Words(
        "and nothing but the peer's death will end {them}", "that end only if the peer is dead", "if the peer is dead"
    ),
    CLOSE: _Words("and the process does not close {them}", "that the process does not close", "not closed"),
    READ: _Words("with unread data", "with unread data", "not read"),
    ACCEPT: _Words("and nobody accepts {them}", "that nobody accepts", "not accepted"),
}


def endings(count: WatchedCount) -> str:
    """What is known of how the sockets of *count* end, those that are not stuck yet included; empty if nothing is."""
    known = [verdict for verdict in _WORDS if verdict in count.verdicts]
    if len(known) == 1:
        return _WORDS[known[0]].of_all.format(them="it" if count.stuck == 1 else "them")
    parts = ", ".join(f"{count.verdicts[verdict]:,} {_WORDS[verdict].of_some}" for verdict in known)
    return f"({parts})" if parts else ""


def ending(verdict: Verdict | None) -> str:
    """How a single stuck socket ends, in a few words; empty if that is not known."""
    return _WORDS[verdict].of_one if verdict and verdict in _WORDS else ""


def sockets_at(number: int, row: Row) -> str:
    """So many sockets of a *row*: ``2 sockets on port 8080 are``, ``1 socket to other ports is``."""
    where = "other ports" if row.port == OTHER else f"port {row.port}"
    nouns, are = ("socket", "is") if number == 1 else ("sockets", "are")
    return f"{number:,} {nouns} {'on' if row.role == 'server' else 'to'} {where} {are}"


def owner_name(owner: OwnerRow | Owner) -> str:
    """A short name: unit, container or process; empty if nothing is known."""
    unit, process = _printable(short_cgroup(owner.cgroup)), _printable(owner.process)
    return f"{unit} ({process})" if unit and process else unit or process


def short_cgroup(path: str) -> str:
    """The last part of a cgroup's path, in which a long number of a container is cut to 12 digits."""
    return _CONTAINER.sub(r"\1", path.rpartition("/")[2])


def _printable(name: str) -> str:
    """Whoever names a process or a cgroup could otherwise write to our reader's terminal."""
    return "".join(character if character.isprintable() else "?" for character in name)
