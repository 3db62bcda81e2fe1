"""At which listening sockets connections wait that nobody has accepted.

A connection that has not been accepted has the local address and the family of its listening socket, or that has the
wildcard (inet_lookup_listener and compute_score in net/ipv4/inet_hashtables.c; the same for IPv6):

    connection to          its listener, the first that there is
    10.0.0.1               10.0.0.1, 0.0.0.0, and [::] unless IPV6_V6ONLY
    [::ffff:10.0.0.1]      [::ffff:10.0.0.1], and [::] unless IPV6_V6ONLY: IPv4 at a listener of IPv6
    [fd00::1]              [fd00::1], [::]

Among several that are alike in this (SO_REUSEPORT: the workers of a service, each with a socket and a queue) the kernel
has chosen by a hash that nobody is told. The length of each accept queue is told, and it is first in, first out: a
queue that has been empty meanwhile has lost all that was in it. What cannot be told by that is not guessed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

from exporter.tcp.namespaces import OWN
from exporter.tcp.sockets import Listener

READING_SECONDS = 1.0
"""At most, for which a connection may be older than it looks: it came while a reading was under way."""

_ANY_V4, _ANY_V6 = bytes(4), bytes(16)
_MAPPED = bytes(10) + b"\xff\xff"


class Waiting(NamedTuple):
    """Connections that wait for long in the accept queues of some listening sockets."""

    sockets: int
    oldest_since: float
    """When the first of them came into its state, on a monotonic clock."""


class Listeners:
    """Remembers when the accept queues of listening sockets were empty."""

    def __init__(self) -> None:
        self._by_port: Mapping[tuple[int, int], Sequence[Listener]] = {}
        """By network namespace and port."""
        self._empty_at: dict[int, float] = {}
        """By inode, when the queue was last seen so."""

    def follow(self, listeners: Iterable[Listener], now: float) -> None:
        """Go by those of a complete reading, which began at *now*."""
        by_port: defaultdict[tuple[int, int], list[Listener]] = defaultdict(list)
        for listener in listeners:
            by_port[listener.netns, listener.port].append(listener)
        self._by_port = by_port
        shared = [one for alike in by_port.values() if len(alike) > 1 for one in alike if one.inode]
        self._empty_at = {one.inode or 0: self._last_empty(one, now) for one in shared}

    def _last_empty(self, listener: Listener, now: float) -> float:
        return now if listener.queued == 0 else self._empty_at.get(listener.inode or 0, -inf)

    def of(self, port: int, address: bytes, netns: int = OWN) -> Sequence[Listener]:
        """Those at which a connection to the *address*, 4 or 16 bytes, may wait; none if nobody listens."""
        listening = self._by_port.get((netns, port), ())
        for fits in (_is_its_own, _is_any_of_family, _is_any_of_both):
            found = [listener for listener in listening if fits(listener, address)]
            if found:
                return found
        return ()

    def likely(self, alike: Sequence[Listener], waiting: Waiting) -> Sequence[Listener]:
        """Those of *alike* ones, as ``of`` gives them, at which connections have been *waiting*.

        It is one only if that has some of them for certain, and can have all.
        """
        filled = [one for one in alike if one.queued != 0]
        never_empty = [one for one in filled if not self._was_empty(one, waiting.oldest_since)]
        return _certain(never_empty, waiting.sockets) or _certain(filled, waiting.sockets) or filled or alike

    def _was_empty(self, listener: Listener, since: float) -> bool:
        return self._empty_at.get(listener.inode or 0, -inf) > since + READING_SECONDS


def _certain(filled: Sequence[Listener], sockets: int) -> Sequence[Listener]:
    """The one with so many in its queue that it can have all, and so few are in the others that it has some."""
    *others, longest = sorted(one.queued or 0 for one in filled) or [0]
    return [one for one in filled if one.queued == longest] if longest >= sockets > sum(others) else ()


def _is_its_own(listener: Listener, address: bytes) -> bool:
    return listener.address == address


def _is_any_of_family(listener: Listener, address: bytes) -> bool:
    is_any = not any(listener.address) and len(listener.address) == len(address)
    return is_any and not (listener.is_v6only and address.startswith(_MAPPED))


def _is_any_of_both(listener: Listener, address: bytes) -> bool:
    return listener.address == _ANY_V6 and len(address) == len(_ANY_V4) and not listener.is_v6only
