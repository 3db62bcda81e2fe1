"""What is wrong, in sentences for somebody who was just woken up."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exporter.count.census import Census
from exporter.count.ports import OTHER
from exporter.count.stuck import OwnerRow, StuckSocket, Watched
from exporter.durations import spoken
from exporter.tcp.holders import Owner
from exporter.tcp.sockets import Role
from exporter.tcp.states import State
from exporter.tcp.verdicts import ACCEPT, CLOSE, FIN_TIMEOUT, KEEPALIVE, NOTHING, READ

NEAR = 0.8
"""Share of a limit from which on it is said to be near."""
_CONTAINER = re.compile(r"([0-9a-f]{12})[0-9a-f]{20,}")

MOST = 10
"""Findings that are said; how many more there are is said too."""
NAMED = 2
"""OwnerSearch named in a sentence."""

ALL_WELL = "Nothing is wrong: no socket is stuck, and no limit is near."


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    text: str
    is_bad: bool = True
    """Whether it hurts already, or will without anybody's doing; otherwise it may pass."""


@dataclass(frozen=True)
class Usage:
    """How much of a limit is in use."""

    name: str
    used: float
    limit: float

    @property
    def share(self) -> float:
        """From 0 to 1, and above where the limit can be exceeded."""
        return self.used / max(self.limit, 1)


def findings(census: Census) -> Sequence[Finding]:
    """What is wrong, the worst first; nothing if all is well."""
    found = sorted((*_stuck(census), *_limits(census)), key=lambda one: not one.is_bad)
    more = found[MOST:]
    return [*found[:MOST], Finding(f"And {len(more)} more.", more[0].is_bad)] if more else found


def usages(census: Census) -> Sequence[Usage]:
    """The limits that are known, with what is used of them, the nearest first."""
    values = census.limits.values
    known = [
        ("TIME_WAIT sockets", census.total(State.TIME_WAIT) + _closed(census), values.get("time_wait_limit")),
        ("Orphans of the whole host", values.get("orphan_sockets", 0), values.get("orphan_limit")),
        ("Ephemeral ports to one destination", census.busiest_destination, census.limits.ephemeral_ports),
    ]
    queues = [(f"Accept queue of port {port}", one.queued, one.limit) for port, one in census.accept_queues.items()]
    found = [Usage(name, used, limit) for name, used, limit in (*known, *queues) if limit]
    return sorted(found, key=lambda one: -one.share)


def _closed(census: Census) -> int:
    """Sockets in FIN_WAIT2 that their process has closed: to the kernel they are like those in TIME_WAIT."""
    return sum(of_port[State.FIN_WAIT2].verdicts.get(FIN_TIMEOUT, 0) for of_port in census.stuck.watched.values())


def _limits(census: Census) -> Iterator[Finding]:
    for one in usages(census):
        if one.share >= NEAR:
            yield Finding(f"{one.name}: {one.used:,} of {one.limit:,} in use.", is_bad=one.share >= 1)


def _stuck(census: Census) -> Iterator[Finding]:
    rows = [
        (role, port, state, one)
        for (role, port), by_state in census.stuck.watched.items()
        for state, one in by_state.items()
        if one.stuck
    ]
    for role, port, state, one in sorted(rows, key=lambda row: -row[3].stuck):
        held = _held(census, role, port, state)
        what = f"{_who(one.stuck, role, port)} stuck in {state.name}{_how(one)}"
        text = f"{what}; {held}for up to {spoken(one.oldest)}."
        yield Finding(text, is_bad=state in {State.FIN_WAIT2, State.CLOSE_WAIT})


def _who(sockets: int, role: Role, port: str) -> str:
    where = "other ports" if port == OTHER else f"port {port}"
    verb = "socket" if sockets == 1 else "sockets"
    return f"{sockets:,} {verb} {'on' if role == 'server' else 'to'} {where} {'is' if sockets == 1 else 'are'}"


def _how(one: Watched) -> str:
    """What is known of the sockets' ends; the verdicts are of all in the state, those not stuck yet included."""
    told = {verdict: f"{number:,} {_WORDS[verdict]}" for verdict, number in one.verdicts.items() if verdict in _WORDS}
    if len(told) == 1:
        return _ALL[next(iter(told))].format(them="it" if one.stuck == 1 else "them")
    return f" ({', '.join(told[verdict] for verdict in _WORDS if verdict in told)})" if told else ""


_ALL = {
    NOTHING: " and nothing will end {them}",
    KEEPALIVE: " and nothing but the peer's death will end {them}",
    CLOSE: " and the process does not close {them}",
    READ: " with unread data",
    ACCEPT: " and nobody accepts {them}",
}
_WORDS = {
    NOTHING: "that nothing will end",
    KEEPALIVE: "that end only if the peer is dead",
    CLOSE: "that the process does not close",
    READ: "with unread data",
    ACCEPT: "that nobody accepts",
}


def _held(census: Census, role: Role, port: str, state: State) -> str:
    """Who has most of them."""
    holdings = [one for one in census.stuck.owners or {} if one[:3] == (role, port, state)]
    names = [name for name in map(owner_name, holdings[:NAMED]) if name not in {"", OTHER}]
    if not names:
        return ""
    others = ["others"] if len(holdings) > len(names) else []
    return f"held by {' and '.join([*names, *others])} "


def owner_name(one: OwnerRow | Owner) -> str:
    """A short name: unit, container or process; empty if nothing is known."""
    unit, process = _printable(short_cgroup(one.cgroup)), _printable(one.process)
    return f"{unit} ({process})" if unit and process else unit or process


def _printable(name: str) -> str:
    """Whoever names a process or a cgroup could otherwise write to our reader's terminal."""
    return "".join(character if character.isprintable() else "?" for character in name)


def outlook(one: StuckSocket) -> str:
    """What a single socket waits for, in a few words."""
    return _OUTLOOK.get(one.verdict, "")


_OUTLOOK = {
    NOTHING: "nothing ends it",
    KEEPALIVE: "if the peer is dead",
    CLOSE: "not closed",
    READ: "not read",
    ACCEPT: "not accepted",
}


def short_cgroup(path: str) -> str:
    """The last part of a cgroup's path, in which a long number of a container is cut to 12 digits."""
    return _CONTAINER.sub(r"\1", path.rpartition("/")[2])
