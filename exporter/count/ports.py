"""Which ports get a label of their own.

A label makes up to some thirty series while it lives, so there are at most ``PortRules.max`` of them per role, and
series that come and go cannot be graphed, nor alerted on. All other ports share the label ``other``.

The ports that the configuration names always have a place. The others have places by need: who has stuck sockets goes
before who has several, that before who has one or two, that before who only listens, that before who is gone. Who has a
place is taken to need it as much as it did at any time in the last ten minutes, and gives it up only to who needs it
more, so that a label in use does not flap. Data connections and scans open one port after the other: who comes with
one or two sockets, inside the ephemeral range or when half of the places are taken, gets no label until it has been
there for some time.

A remote port inside the ephemeral range may be a service's, but so may be any that a peer happened to dial from: it has
to be shared by some sockets, unless it lies below where most systems begin to dial from.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum
from heapq import nsmallest
from itertools import islice
from typing import NamedTuple

from exporter.count.rules import PortRules
from exporter.tcp.limits import DEFAULT_EPHEMERAL
from exporter.tcp.sockets import ROLES, Role

KEPT_SECONDS = 600
"""How long a label remembers how much it was needed, and stays without any sockets if nobody wants its place."""
SETTLED_SECONDS = 30
"""How long a port with few sockets has to be there before it gets a label, but for those that the first sample finds;
and how long one may have none before it counts as gone."""
SEVERAL = 3
"""Sockets that make a port busy, and a remote port inside the ephemeral range a service."""
_REMEMBERED = 4096
"""New ports that are remembered at most; a program that uses one after the other cannot fill the memory."""

Sockets = Mapping[Role, Mapping[int, int]]
"""By role and port."""


class Need(IntEnum):
    """How much a port needs a label."""

    GONE = 0
    IDLE = 1
    """It listens, and has no connection."""
    FEW = 2
    SEVERAL = 3
    STUCK = 4


class Traffic(NamedTuple):
    """What is known of the ports of one sample, by role."""

    sockets: Sockets
    """Listening ones included."""
    stuck: Sockets
    listening: Mapping[int, int]
    """Of a server's sockets, those that are listening."""

    @property
    def total(self) -> int:
        """All sockets."""
        return sum(sum(ports.values()) for ports in self.sockets.values())

    @property
    def is_any_stuck(self) -> bool:
        """Whether any socket is stuck."""
        return any(any(ports.values()) for ports in self.stuck.values())

    def need(self, role: Role, port: int) -> Need:
        """How much the port needs a label by this sample alone."""
        sockets = self.sockets[role].get(port, 0)
        connections = sockets - (self.listening.get(port, 0) if role == "server" else 0)
        if self.stuck[role].get(port):
            return Need.STUCK
        if connections:
            return Need.SEVERAL if connections >= SEVERAL else Need.FEW
        return Need.IDLE if sockets else Need.GONE


PortLabels = Mapping[Role, frozenset[int]]
"""The ports of one network namespace that have a label of their own, by role."""


class _Holder:
    """A port that has a label: when it last needed it how much."""

    def __init__(self) -> None:
        self._last: dict[Need, float] = {}

    def note(self, need: Need, now: float) -> None:
        self._last[need] = now

    def is_over(self, now: float) -> bool:
        """Whether it has had no sockets for so long that its series may end."""
        return self._is_absent(now, KEPT_SECONDS)

    def need(self, now: float) -> Need:
        """The most that it was lately; GONE once it has no sockets any more."""
        if self._is_absent(now, SETTLED_SECONDS):
            return Need.GONE
        return max(need for need, seen in self._last.items() if now - seen <= KEPT_SECONDS)

    def _is_absent(self, now: float, seconds: float) -> bool:
        return all(now - seen > seconds for need, seen in self._last.items() if need is not Need.GONE)


class PortBook:
    """Remembers which ports of a network namespace have labels. Times are in seconds on any monotonic clock."""

    def __init__(self, rules: PortRules) -> None:
        self._rules = rules
        self._forget()

    def _forget(self) -> None:
        self._holders: dict[Role, dict[int, _Holder]] = {role: {} for role in ROLES}
        self._new: dict[Role, dict[int, float] | None] = dict.fromkeys(ROLES)
        """When each port without a label was first seen; None before the first sample, which has seen none come."""

    def follow(self, rules: PortRules) -> None:
        """Give out labels by other *rules* from now on."""
        if rules != self._rules:
            self._rules = rules
            self._forget()

    def assign(self, traffic: Traffic, ephemeral: range, now: float) -> PortLabels:
        """Give out the labels for a sample with this *traffic*."""
        return {role: self._assign(role, traffic, ephemeral, now) for role in ROLES}

    def _assign(self, role: Role, traffic: Traffic, ephemeral: range, now: float) -> frozenset[int]:
        named = self._named(role)
        holders = self._holders[role] = self._still_there(role, traffic, now)
        places = max(0, self._rules.max - len(named))
        for need, port in self._wanting(role, traffic, ephemeral, now, places):
            if len(holders) >= places and not _make_place(holders, need, now):
                break
            holders[port] = _Holder()
            holders[port].note(need, now)
        return named.union(holders)

    def _still_there(self, role: Role, traffic: Traffic, now: float) -> dict[int, _Holder]:
        for port, holder in self._holders[role].items():
            holder.note(traffic.need(role, port), now)
        return {port: holder for port, holder in self._holders[role].items() if not holder.is_over(now)}

    def _wanting(
        self, role: Role, traffic: Traffic, ephemeral: range, now: float, places: int
    ) -> Iterable[tuple[Need, int]]:
        """Ports without a label that should have one, those who need it most first; no more than there are *places*."""
        sockets, holders = traffic.sockets[role], self._holders[role]
        least = min((holder.need(now) for holder in holders.values()), default=Need.GONE)
        ports = _needing_more(role, traffic, least if len(holders) >= places else Need.GONE)
        found = [port for port in ports if port not in holders and self._may_have(role, port, sockets, ephemeral)]
        settled, is_crowded = self._settled(role, found, now), 2 * len(holders) > places
        may_pass = {port for port in found if port not in settled and (is_crowded or _is_anybodys(port, ephemeral))}
        found_needs = {port: traffic.need(role, port) for port in found}
        needs = {port: need for port, need in found_needs.items() if need >= Need.SEVERAL or port not in may_pass}
        first = nsmallest(places, needs, key=lambda port: (-needs[port], port in ephemeral, -sockets[port], port))
        return [(needs[port], port) for port in first]

    def _may_have(self, role: Role, port: int, sockets: Mapping[int, int], ephemeral: range) -> bool:
        """Whether a port may have a label without being named."""
        chosen = self._rules.listening if role == "server" else self._rules.client is None
        if not chosen or port in self._named(role) or not port:  # 0 stands for many
            return False
        return role == "server" or sockets[port] >= SEVERAL or not _is_anybodys(port, ephemeral)

    def _settled(self, role: Role, ports: Collection[int], now: float) -> Collection[int]:
        """Those of the *ports* that have been there for some time, or since before the first sample."""
        before = self._new[role]
        seen = dict.fromkeys(ports, now - SETTLED_SECONDS) if before is None else before
        self._new[role] = {port: seen.get(port, now) for port in islice(ports, _REMEMBERED)}
        return {port for port in ports if now - seen.get(port, now) >= SETTLED_SECONDS}

    def _named(self, role: Role) -> frozenset[int]:
        return self._rules.server if role == "server" else self._rules.client or frozenset()


def _is_anybodys(port: int, ephemeral: range) -> bool:
    """Whether it may be a port that somebody happened to dial from, or that a transfer happened to get."""
    return port in ephemeral and port >= DEFAULT_EPHEMERAL.start


def _needing_more(role: Role, traffic: Traffic, need: Need) -> Iterable[int]:
    """All ports that can need a label more than *need*, and some others: there may be 65,535."""
    sockets, stuck = traffic.sockets[role], traffic.stuck[role]
    if need >= Need.SEVERAL:
        return [port for port in stuck if port in sockets]
    several = SEVERAL if need >= Need.FEW else 1
    return [port for port, number in sockets.items() if number >= several or port in stuck]


def _make_place(holders: dict[int, _Holder], need: Need, now: float) -> bool:
    """Take the label from who needs it least, if that is less than *need*."""
    if not holders:
        return False
    least = min(holders, key=lambda port: holders[port].need(now))
    if holders[least].need(now) >= need:
        return False
    del holders[least]
    return True
