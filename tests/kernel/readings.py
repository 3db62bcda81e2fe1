"""Readings of sources, as tests want them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from exporter.kernel.procfs import Procfs
from exporter.kernel.sock_diag import SockDiag
from exporter.kernel.source import Source
from exporter.tcp.limits import DEFAULT_EPHEMERAL
from exporter.tcp.reading import Asked, Batch, Bulk, Reading, Rows, Watched
from exporter.tcp.roles import Roles
from exporter.tcp.sockets import ROLES, Listener, Service, Socket
from exporter.tcp.states import State
from exporter.tcp.tally import Tally
from tests.lab.netns import Namespace

Make = Callable[[], Source]

MAKERS: Sequence[Make] = (SockDiag, Procfs)
"""The sources that tell how sockets end."""


@dataclass(frozen=True)
class Taken:
    """A reading that is complete: all *batches* have been taken."""

    reading: Reading
    batches: Sequence[Batch]

    @property
    def listeners(self) -> Sequence[Listener]:
        """All that are listening."""
        return self.reading.listeners

    @property
    def rows(self) -> Iterator[Rows]:
        """Of the sockets that are looked at one by one."""
        return (batch.rows for batch in self.batches if isinstance(batch, Watched))

    @property
    def keys(self) -> Sequence[bytes]:
        """Of all rows."""
        return list(chain.from_iterable(rows.keys() for rows in self.rows))

    @property
    def watched(self) -> Sequence[Socket]:
        """All rows as sockets."""
        return [self.reading.socket(key) for key in self.keys]

    def services(self, state: State) -> Mapping[Service, int]:
        """The sockets in a bulk *state*, counted as a census does it."""
        roles = Roles([listener.port for listener in self.listeners], DEFAULT_EPHEMERAL)
        tally = Tally(roles)
        for batch in self.batches:
            if isinstance(batch, Bulk) and batch.state is state:
                tally.add(batch.columns, roles.kinds(batch.columns.local_ports()))
        ports = tally.ports()
        return {Service(role, port): sockets for role in ROLES for port, sockets in ports[role].items()}

    @property
    def counts(self) -> Counter[State]:
        """All sockets by state, without the zeros."""
        counts = Counter(one.state for one in self.watched)
        counts.update({state: sum(self.services(state).values()) for state in State})
        counts[State.LISTEN] += len(self.listeners)
        return +counts


def take(source: Source, *, silences: bool = False) -> Taken:
    """Take a reading of *source*."""
    with source.reading(Asked(silences=silences)) as reading:
        return Taken(reading, list(reading.batches))


def taken(make: Make, place: Namespace, *, silences: bool = False) -> Taken:
    """Take a reading in *place* with a source made for it."""
    with place.entered():
        source = make()
        found = take(source, silences=silences)
        source.close()
    return found


def watched(make: Make, place: Namespace, state: State) -> list[Socket]:
    """The sockets of *place* in *state*, one by one."""
    return [one for one in taken(make, place).watched if one.state is state]
