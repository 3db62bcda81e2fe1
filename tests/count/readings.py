"""Readings of scripted sockets, as a source gives them one after the other."""

from collections.abc import Iterable, Mapping, Sequence

from exporter.count.rules import StuckRules
from exporter.count.watched import Read, WatchedSockets
from exporter.tcp.columns import Decoded, unpacked
from exporter.tcp.roles import Roles
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
    roles = Roles(listening, EPHEMERAL)
    watched.take_in(seen, Read(now, listeners, roles, StuckRules() if after is None else StuckRules(after), unpacked))
