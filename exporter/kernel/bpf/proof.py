"""Whether what is counted inside the kernel is what sock_diag tells of the same sockets.

It is looked at before it is believed. The offsets of the kernel's structures are the kernel's own, but what a field
means can change from one release to the next without a word. So the sockets of our own namespace are read by sock_diag,
then as they are to be proved, and by sock_diag again. Whatever did not change meanwhile has to be the same; and where
sockets come and go, their numbers have to lie between the two, or not far off.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from exporter.tcp.reading import Bulk, Counts, Kept, Reading, Watched
from exporter.tcp.sockets import Listener, Socket
from exporter.tcp.states import State

TRIES = 3
"""Sockets that come and go can be in the way once; a wrong offset is so each time."""
MOST = 5000
"""Sockets that are compared one by one."""
_CHURN = 4
_TOLERATED = 50
"""One of so many may differ where sockets come and go."""


class Seen(NamedTuple):
    """What a reading has shown."""

    sockets: Counter[State]
    apart: Mapping[object, object]
    """Those that are told one by one: what tells one from all others, and what is judged by."""


Chosen = Container[object] | None
"""Which of those that are told one by one are compared; the first MOST where nothing is said."""


def seen(reading: Reading, chosen: Chosen = None) -> Seen:
    """Take the reading to its end. Raises what that raises."""
    sockets, apart = Counter({State.LISTEN: len(reading.listeners)}), dict(map(_listening, reading.listeners))
    for batch in reading.batches:
        if isinstance(batch, Bulk):
            sockets[batch.state] += batch.sockets
        elif isinstance(batch, Counts):
            sockets.update(_by_state(batch))
        elif isinstance(batch, Watched | Kept):
            for one in map(reading.socket, batch.rows.keys()):
                sockets[one.state] += not one.is_mptcp
                where, what = _watched(one)
                if len(apart) < MOST if chosen is None else where in chosen:
                    apart[where] = what
    return Seen(sockets, apart)


def _by_state(counts: Counts) -> Counter[State]:
    found: Counter[State] = Counter()
    for (state, _, _), number in counts.sockets.items():
        found[state] += number
    return found


def _listening(one: Listener) -> tuple[object, object]:
    return (one.port, one.address, one.inode), (one.backlog, one.cgroup_id, one.is_v6only)


def _watched(one: Socket) -> tuple[object, object]:
    where = one.state, one.local_port, one.remote_port, one.addresses, one.is_mptcp
    return where, (one.timer, one.retransmissions, one.receive_queue, one.send_queue, one.inode, one.is_ipv6)


def difference(before: Seen, found: Seen, after: Seen) -> str:
    """What differs beyond what has changed meanwhile; empty if nothing does."""
    return next(chain(_in_numbers(before.sockets, found.sockets, after.sockets), _one_by_one(before, found, after)), "")


def _in_numbers(before: Counter[State], found: Counter[State], after: Counter[State]) -> Iterator[str]:
    moved = sum(abs(before[state] - after[state]) for state in State)
    for state in State:
        least, most = sorted((before[state], after[state]))
        slack = moved and _CHURN * moved + most // _TOLERATED
        if not least - slack <= found[state] <= most + slack:
            expected = f"{least}" if least == most else f"{least} to {most}"
            yield f"{found[state]} sockets in {state.label}, where it tells {expected}"


def _one_by_one(before: Seen, found: Seen, after: Seen) -> Iterator[str]:
    same = {where for where, what in before.apart.items() if after.apart.get(where) == what}
    wrong = [where for where in same if found.apart.get(where) != before.apart[where]]
    if len(wrong) > len(same) // _TOLERATED:
        where = min(wrong, key=repr)
        yield f"{found.apart.get(where)} of {where}, where it tells {before.apart[where]}"


def proved(witness: Callable[[Chosen], Seen], look: Callable[[Chosen], Seen]) -> str:
    """What is wrong with what a *look* shows each time, by what the *witness* tells; empty if nothing is."""
    wrong = ""
    for _ in range(TRIES):
        before = witness(None)
        found, after = look(before.apart), witness(before.apart)
        wrong = difference(before, found, after)
        if not wrong:
            break
    return wrong
