"""The words for what was found: how sockets end, where they are, who holds them, and what is left out."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exporter.count.exhaustion import Holder
from exporter.count.labels import OTHER
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
_SHORT = 24
"""Letters of a namespace's name in a column."""


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
    """So many sockets of a *row*: ``2 sockets on port 8080 of shop/web are``, ``1 socket of lab to other ports is``."""
    nouns, are = ("socket", "is") if number == 1 else ("sockets", "are")
    where = f"on {port_of(row)}" if row.role == "server" else _dialled(row)
    return f"{number:,} {nouns} {where} {are}"


def port_of(row: Row) -> str:
    """A server's: ``port 8080``, ``other ports of shop/web``; or that it is any, where namespaces are told together."""
    return f"{'ports' if row.netns == OTHER else _port(row)}{of_namespace(row.netns)}"


def _dialled(row: Row) -> str:
    """The namespace is ours, and the port is not."""
    return f"{of_namespace(row.netns)} to {'any port' if row.netns == OTHER else _port(row)}".lstrip()


def _port(row: Row) -> str:
    return "other ports" if row.port == OTHER else f"port {row.port}"


def of_namespace(netns: str) -> str:
    """Whose something is, to be put behind it; of our own namespace that goes without saying."""
    return f" of {'other network namespaces' if netns == OTHER else _printable(netns)}" if netns else ""


def namespace(netns: str) -> str:
    """Its name in a column; empty for our own."""
    return _printable(netns)


def shortened(name: str) -> str:
    """As long as a column may be: of the name of a pod both ends tell more than the middle."""
    return name if len(name) <= _SHORT else f"{name[: _SHORT // 2]}…{name[-(_SHORT // 2 - 1) :]}"


def foreign_rows(rows: Sequence[Row]) -> str:
    """In place of their lines: how many there are; empty if there is none."""
    ports, where = _plural(len(rows), "port"), _plural(len({row.netns for row in rows}), "other network namespace")
    return f"and {ports} of {where} with connections" if rows else ""


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


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
