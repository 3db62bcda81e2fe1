"""What is wrong, in sentences for somebody who was just woken up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exporter.count.census import Census
from exporter.count.ports import OTHER
from exporter.count.stuck import WatchedCount
from exporter.durations import spoken
from exporter.show.words import endings, owner_name, sockets_at
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from exporter.tcp.verdicts import FIN_TIMEOUT

NEAR = 0.8
"""Share of a limit from which on it is said to be near."""
MOST = 10
"""Findings that are said; how many more there are is said too."""
NAMED = 2
"""Owners named in a sentence."""

ALL_WELL = "Nothing is wrong: no socket is stuck, and no limit is near."

_BAD_TO_BE_STUCK_IN = frozenset({State.FIN_WAIT2, State.CLOSE_WAIT})
"""States that a process of ours has to end; the others are left to the peer and the network, and may pass."""


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
    found = sorted((*_stuck(census), *_limits(census)), key=lambda finding: not finding.is_bad)
    more = found[MOST:]
    return [*found[:MOST], Finding(f"And {len(more)} more.", more[0].is_bad)] if more else found


def usages(census: Census) -> Sequence[Usage]:
    """The limits that are known, with what is used of them, the nearest first."""
    values = census.limits.values
    known = [
        ("TIME_WAIT sockets", census.total(State.TIME_WAIT) + _closed(census), values.get("time_wait_limit")),
        ("Orphans of the whole host", values.get("orphan_sockets", 0), values.get("orphan_limit")),
        ("Ephemeral ports to one destination", census.busiest_destination, census.limits.ephemeral_ports),
        ("Ephemeral ports on one local address", census.busiest_address, census.limits.ephemeral_ports),
    ]
    queues = [
        (f"Accept queue of port {row.port}", queue.queued, queue.limit) for row, queue in census.accept_queues.items()
    ]
    found = [Usage(name, used, limit) for name, used, limit in (*known, *queues) if limit]
    return sorted(found, key=lambda usage: -usage.share)


def _closed(census: Census) -> int:
    """Sockets in FIN_WAIT2 that their process has closed: to the kernel they are like those in TIME_WAIT."""
    watched = census.stuck.watched.values()
    return sum(by_state[State.FIN_WAIT2].verdicts.get(FIN_TIMEOUT, 0) for by_state in watched)


def _limits(census: Census) -> Iterator[Finding]:
    for usage in usages(census):
        if usage.share >= NEAR:
            yield Finding(f"{usage.name}: {usage.used:,} of {usage.limit:,} in use.", is_bad=usage.share >= 1)


def _stuck(census: Census) -> Iterator[Finding]:
    """A sentence for each row and state that has stuck sockets, those with most of them first."""
    counts = [
        (row, state, count)
        for row, by_state in census.stuck.watched.items()
        for state, count in by_state.items()
        if count.stuck
    ]
    for row, state, count in sorted(counts, key=lambda found: -found[2].stuck):
        yield Finding(_sentence(census, row, state, count), is_bad=state in _BAD_TO_BE_STUCK_IN)


def _sentence(census: Census, row: Row, state: State, count: WatchedCount) -> str:
    what = f"{sockets_at(count.stuck, row)} stuck in {state.name} {endings(count)}".rstrip()
    return f"{what}; {_held(census, row, state)}for up to {spoken(count.oldest_stuck_age)}."


def _held(census: Census, row: Row, state: State) -> str:
    """Who has most of them."""
    owners = [owner for owner in census.stuck.owners or {} if (owner.row, owner.state) == (row, state)]
    names = [name for name in map(owner_name, owners[:NAMED]) if name not in {"", OTHER}]
    if not names:
        return ""
    others = ["others"] if len(owners) > len(names) else []
    return f"held by {' and '.join([*names, *others])} "
