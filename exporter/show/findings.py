"""What is wrong, in sentences for somebody who was just woken up."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from exporter.count.census import Bounds, Census
from exporter.count.closed import Closed
from exporter.count.exhaustion import Holder
from exporter.count.labels import OTHER
from exporter.count.stuck import OwnerRow, WatchedCount
from exporter.durations import spoken
from exporter.show.words import endings, in_use, name_of, of_namespace, owner_name, port_of, sockets_at
from exporter.tcp.holders import Whose
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from exporter.tcp.verdicts import FIN_TIMEOUT

NEAR = 0.8
"""Share of a limit from which on it is said to be near."""
MOST = 10
"""Findings that are said; how many more there are is said too."""
NAMED = 2
"""Owners named in a sentence."""
NEARLY_FULL = 0.9
"""Share of its descriptors from which on a holder has as good as none left."""
SOON_SECONDS, LATER_SECONDS = 4 * 3600, 24 * 3600
"""Until a holder has none left: when somebody has to act at once, and when by and by."""
CLOSED = 10
"""Closed sockets that are said although nobody is known to hold them: a few are being made at any moment."""

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


_Known = tuple[str, float, float | None]
"""As a Usage; without a limit where that is not known, or there is none."""


def findings(census: Census) -> Sequence[Finding]:
    """What is wrong, the worst first; nothing if all is well."""
    said = (*_exhausted(census), *_stuck(census), *_closed_held(census.closed), *_limits(census))
    found = sorted(said, key=lambda finding: not finding.is_bad)
    more = found[MOST:]
    return [*found[:MOST], Finding(f"And {len(more)} more.", more[0].is_bad)] if more else found


def usages(census: Census) -> Sequence[Usage]:
    """The limits that are known, with what is used of them, the nearest first."""
    values, waiting = census.own.limits.values, _waiting(census)
    found: list[_Known] = [
        ("Orphans of the whole host", values.get("orphan_sockets", 0), values.get("orphan_limit")),
        ("MiB of memory for the TCP sockets of the whole host", *_memory(values)),
        *(
            (f"Accept queue of {port_of(row)}", queue.queued, queue.limit)
            for row, queue in census.accept_queues.items()
        ),
    ]
    for of in (census.own, *census.elsewhere):
        found += _bounds(of, waiting[of.namespace.name])
    known = [Usage(name, used, limit) for name, used, limit in found if limit]
    return sorted(known, key=lambda usage: -usage.share)


def _bounds(of: Bounds, waiting: int) -> Sequence[_Known]:
    """What bounds one namespace."""
    whose, ports = of_namespace(of.namespace.name), of.limits.ephemeral_ports
    return (
        (f"TIME_WAIT sockets{whose}", waiting, of.limits.values.get("time_wait_limit")),
        (f"Ephemeral ports{whose} to one destination", of.busiest_destination, ports),
        (f"Ephemeral ports{whose} on one local address", of.busiest_address, ports),
    )


def _memory(values: Mapping[str, int]) -> tuple[float, float]:
    """Used, and what there may be at most, in MiB; 0 where that is not known."""
    return values.get("memory_bytes", 0) >> 20, values.get("memory_limit_bytes", 0) >> 20


def _waiting(census: Census) -> Counter[str]:
    """Sockets in TIME_WAIT by namespace, and those in FIN_WAIT2 that are closed: to the kernel they are the same."""
    found: Counter[str] = Counter()
    for row, counts in census.sockets.items():
        found[row.netns] += counts[State.TIME_WAIT]
    for row, by_state in census.stuck.watched.items():
        found[row.netns] += by_state[State.FIN_WAIT2].verdicts.get(FIN_TIMEOUT, 0)
    return found


def _limits(census: Census) -> Iterator[Finding]:
    for usage in usages(census):
        if usage.share >= NEAR:
            yield Finding(f"{usage.name}: {usage.used:,} of {usage.limit:,} in use.", is_bad=usage.share >= 1)


def _left(holder: Holder) -> float:
    return math.inf if holder.seconds_left is None else holder.seconds_left


def _exhausted(census: Census) -> Iterator[Finding]:
    """A sentence for each holder that has few descriptors left, or will have at this pace, the next one first."""
    for left, holder in sorted(((_left(holder), holder) for holder in census.holders), key=itemgetter(0)):
        share = holder.descriptors.share if holder.descriptors else 0.0
        if holder.descriptors and (share >= NEAR or left < LATER_SECONDS):
            pace = f"; at this pace none is left in {spoken(left)}" if left < LATER_SECONDS else ""
            name = _name(holder.whose) or "A holder of stuck sockets"
            is_bad = share >= NEARLY_FULL or left < SOON_SECONDS
            yield Finding(f"{name} has {in_use(holder.descriptors)} open (pid {holder.pid}){pace}.", is_bad)


def _name(whose: Whose) -> str:
    name = name_of(whose.cgroup, whose.process)
    return f"{name}{of_namespace(whose.netns)}" if name else ""


def _closed_held(closed: Closed) -> Iterator[Finding]:
    for whose, number in (closed.by_owner or {}).items():
        yield Finding(_over(number, f"{_name(whose) or 'its process'} still holds"), number >= CLOSED)
    if closed.unexplained >= CLOSED:
        yield Finding(_over(closed.unexplained, "processes that are not known still hold"))


def _over(number: int, who_holds: str) -> str:
    if number == 1:
        return f"1 socket is over and in no table any more, and {who_holds} it and its descriptor."
    return f"{number:,} sockets are over and in no table any more, and {who_holds} them and their descriptors."


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
    owners = [owner for owner in census.stuck.owners or {} if (owner.row, owner.state) == (row, state)]
    return f"{what}; {_held(owners)}for up to {spoken(count.oldest_stuck_age)}{_open(census, owners)}."


def _open(census: Census, owners: Sequence[OwnerRow]) -> str:
    """The descriptors of who has most of them."""
    first = [Whose(owner.cgroup, owner.process, owner.row.netns) for owner in owners[:1]]
    of = [holder for holder in census.holders if holder.whose in first]
    return "".join(
        f"; {name_of('', one.process) or 'it'} has {in_use(one.descriptors)} open" for one in of if one.descriptors
    )


def _held(owners: Sequence[OwnerRow]) -> str:
    """Who has most of them."""
    names = [name for name in map(owner_name, owners[:NAMED]) if name not in {"", OTHER}]
    if not names:
        return ""
    others = ["others"] if len(owners) > len(names) else []
    return f"held by {' and '.join([*names, *others])} "
