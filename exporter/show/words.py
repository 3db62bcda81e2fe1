"""The words for what was found: how sockets end, where they are, who holds them, and what is left out."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exporter.count.exhaustion import Holder
from exporter.count.ports import OTHER
from exporter.count.stuck import Holding, OwnerRow, WatchedCount
from exporter.show.cgroups import short_cgroup
from exporter.show.rows import Idle
from exporter.tcp.holders import Descriptors, Owner
from exporter.tcp.sockets import Row
from exporter.tcp.verdicts import (
    ACCEPT,
    CLOSE,
    CLOSE_WITH_KEEPALIVE,
    KEEPALIVE,
    NOTHING,
    READ,
    READ_WITH_KEEPALIVE,
    Verdict,
)

NAMED = 5
"""Idle listeners at most that are named: more of them do not fit into a line."""


class _Words(NamedTuple):
    """How a verdict is said."""

    of_all: str
    """After "are stuck", if all of the sockets have it."""
    of_some: str
    """After the number of those that have it."""
    brief: str
    """In a column."""


# In the order in which they are said; none for those that are never stuck.
_WORDS: Mapping[Verdict, _Words] = {
    NOTHING: _Words("and nothing will end {them}", "that nothing will end", "nothing ends {them}"),
    KEEPALIVE: _Words(
        "and nothing but the peer's death will end {them}", "that end only if the peer is dead", "if the peer is dead"
    ),
    CLOSE: _Words("and the process does not close {them}", "that the process does not close", "not closed"),
    CLOSE_WITH_KEEPALIVE: _Words(
        "and the process does not close {them} while the peer lives",
        "that the process does not close while the peer lives",
        "not closed while the peer lives",
    ),
    READ: _Words("with unread data", "with unread data", "not read"),
    READ_WITH_KEEPALIVE: _Words(
        "with unread data while the peer lives",
        "with unread data while the peer lives",
        "not read while the peer lives",
    ),
    ACCEPT: _Words("and nobody accepts {them}", "that nobody accepts", "not accepted"),
}


def endings(count: WatchedCount) -> str:
    """What is known of how the stuck sockets of *count* end; empty if nothing is."""
    known = _known(count.stuck_verdicts)
    if _numbers(known) == [count.stuck]:
        return known[0][0].of_all.format(them=_them(count.stuck))
    parts = ", ".join(f"{number:,} {words.of_some}" for words, number in known)
    return f"({parts})" if parts else ""


def brief_endings(holding: Holding) -> str:
    """The same of the sockets that are held, in a few words."""
    known = _known(holding.verdicts)
    if _numbers(known) == [holding.sockets]:
        return known[0][0].brief.format(them=_them(holding.sockets))
    return ", ".join(f"{number:,} {words.brief.format(them='')}".rstrip() for words, number in known)


def ending(verdict: Verdict | None) -> str:
    """How a single stuck socket ends, in a few words; empty if that is not known."""
    return _WORDS[verdict].brief.format(them=_them(1)) if verdict and verdict in _WORDS else ""


def _known(verdicts: Mapping[Verdict, int]) -> Sequence[tuple[_Words, int]]:
    """The words for each of the *verdicts*, and how many sockets they are for."""
    return [(words, verdicts[verdict]) for verdict, words in _WORDS.items() if verdicts.get(verdict)]


def _numbers(known: Sequence[tuple[_Words, int]]) -> list[int]:
    return [number for _, number in known]


def _them(number: int) -> str:
    return "it" if number == 1 else "them"


def sockets_at(number: int, row: Row) -> str:
    """So many sockets of a *row*: ``2 sockets on port 8080 are``, ``1 socket to other ports is``."""
    where = "other ports" if row.port == OTHER else f"port {row.port}"
    nouns, are = ("socket", "is") if number == 1 else ("sockets", "are")
    return f"{number:,} {nouns} {'on' if row.role == 'server' else 'to'} {where} {are}"


def idle_listeners(idle: Idle) -> str:
    """In place of their lines: how many there are, and which if these are few; empty if there is none."""
    if not idle.number:
        return ""
    nouns = "listening port" if idle.number == 1 else "listening ports"
    names = f": {', '.join(idle.ports)}" if idle.number == len(idle.ports) <= NAMED else ""
    return f"and {idle.number:,} {nouns} without connections{names}"


def owner_name(owner: OwnerRow | Owner | Holder) -> str:
    """A short name: unit, container or process; empty if nothing is known."""
    return name_of(owner.cgroup, owner.process)


def name_of(cgroup: str, name: str) -> str:
    """The same, of a cgroup and the name of a process in it."""
    unit, process = _printable(short_cgroup(cgroup)), _printable(name)
    return f"{unit} ({process})" if unit and process else unit or process


def in_use(descriptors: Descriptors) -> str:
    """How near a process is to its end: ``507 of 512 descriptors``."""
    return f"{descriptors.open:,} of {descriptors.limit:,} descriptors"


def _printable(name: str) -> str:
    """Whoever names a process or a cgroup could otherwise write to our reader's terminal."""
    return "".join(character if character.isprintable() else "?" for character in name)
