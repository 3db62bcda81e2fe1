"""Readings of scripted sockets, as a source gives them one after the other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from exporter.count.rules import StuckRules
from exporter.count.watched import Read, WatchedSockets
from exporter.tcp.columns import Decoded, batches, unpacked
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import Batch, Bulk, Watched
from exporter.tcp.roles import HostRoles, Roles
from exporter.tcp.sockets import Listener, Origin, Socket
from exporter.tcp.states import State

EPHEMERAL = range(32768, 61000)
HERE = bytes(32)
"""Two addresses."""


class Shown(Decoded):
    """Some sockets whose origins are told."""

    origins_told: Mapping[Socket, Origin] = {}

    def origins(self, chosen: bytes) -> Iterable[Origin]:
        """See ``reading.Rows``."""
        told = (self.origins_told.get(socket, Origin()) for socket in self.sockets)
        return [origin for origin, is_chosen in zip(told, chosen, strict=True) if is_chosen]


class Everywhere(Decoded):
    """Some sockets, in whose keys is also of which network namespace they are."""

    def keys(self) -> Sequence[bytes]:
        """See ``reading.Lookups``."""
        return [socket.netns.to_bytes(4) + key for socket, key in zip(self.sockets, Decoded.keys(self), strict=True)]


def decoded(key: bytes) -> Socket:
    """The socket that has one of the keys of ``Everywhere``."""
    return unpacked(key[4:])._replace(netns=int.from_bytes(key[:4]))


def everywhere(sockets: Iterable[Socket]) -> Iterator[Batch]:
    """All but the listening ones of *sockets*, by network namespace and state."""
    left = list(sockets)
    for netns in sorted({socket.netns for socket in left}):
        for batch in batches(socket for socket in left if socket.netns == netns):
            yield _of(batch, netns)


def _of(batch: Batch, netns: int) -> Batch:
    match batch:
        case Watched(Decoded() as rows):
            return Watched(Everywhere(rows.sockets), netns=netns)
        case Bulk():
            return batch._replace(netns=netns)
    return batch


def shown(sockets: Iterable[Socket], origins: Mapping[Socket, Origin] | None = None) -> Shown:
    """The rows of *sockets*."""
    rows = Shown(list(sockets))
    rows.origins_told = origins or {}
    return rows


def read(  # noqa: PLR0913 - all that a reading can bring
    watched: WatchedSockets,
    sockets: Iterable[Socket],
    now: float,
    *,
    after: Mapping[State, float] | None = None,
    listeners: Sequence[Listener] = (),
    listening: Iterable[int] = (8080,),
    origins: Mapping[Socket, Origin] | None = None,
) -> None:
    """Have *watched* take in a reading that shows these *sockets*."""
    seen = watched.seen(now)
    seen.add(shown(sockets, origins))
    roles = HostRoles({OWN: Roles(listening, EPHEMERAL)})
    watched.take_in(seen, Read(now, listeners, roles, StuckRules() if after is None else StuckRules(after), unpacked))
