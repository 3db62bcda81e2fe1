"""What a source gives: one reading of the TCP sockets of one network namespace."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from exporter.tcp.roles import Roles
from exporter.tcp.sockets import Ends, Listener, Socket
from exporter.tcp.states import BULK, State
from exporter.tcp.tally import Tally

RolesFor = Callable[[Sequence[Listener]], Roles]
"""The roles that follow from the listening sockets: a source reads those first and asks."""

Watch = Callable[[Iterable[Socket]], None]
"""Takes the sockets that are looked at one by one, some at a time, so that they need not all be held. One that moves in
the kernel's table while that is read can come twice."""

ReadEnds = Callable[[Socket], Ends]
"""Reads both ends of a watched socket, whose addresses are in the source's own form."""


@dataclass(frozen=True)
class Snapshot:
    """A complete reading; the watched sockets have gone to the reader's *watch* by then."""

    listeners: Sequence[Listener]
    bulk: Mapping[State, Tally]
    """The sockets in each of ``tcp.BULK``."""
    ends: ReadEnds
    tells_timers: bool = True
    """Whether its sockets have timers, queues and inodes, so that it can be told how they end."""


class Source(Protocol):
    """A way to ask the kernel for the sockets of this process' network namespace."""

    @property
    def name(self) -> str:
        """As in the configuration."""

    def read(self, roles_for: RolesFor, watch: Watch, *, silences: bool = False) -> Snapshot:
        """Read all sockets once; with *silences*, if the source can, also since when those in SILENT are silent.

        Raises:
            SourceUnavailable: this source does not work here at all.
            SampleError: this reading failed; whatever *watch* was given is void.
        """

    def close(self) -> None: ...


def take(
    listeners: Sequence[Listener], sockets: Iterable[Socket], roles_for: RolesFor, watch: Watch, ends: ReadEnds
) -> Snapshot:
    """A snapshot from a source that gives all *sockets* but the listening ones one by one."""
    roles = roles_for(listeners)
    bulk = {state: Tally(roles) for state in BULK}
    watch(_watched(sockets, bulk))
    return Snapshot(listeners, bulk, ends)


def _watched(sockets: Iterable[Socket], bulk: Mapping[State, Tally]) -> Iterator[Socket]:
    """Count those in a bulk state, pass the others on."""
    for one in sockets:
        if one.state in bulk:
            bulk[one.state].add_one(one.local_port, one.remote_port, one.destination)
        else:
            yield one
