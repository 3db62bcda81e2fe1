"""What a source tells of one network namespace, in a form that is the same for all sources that tell it rightly."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import NamedTuple

from exporter.kernel.source import Source
from exporter.tcp.limits import DEFAULT_EPHEMERAL
from exporter.tcp.namespaces import OWN
from exporter.tcp.reading import Asked, Batch, Bulk, Columns, Counts, Kept, Lookups, Reading, Watched
from exporter.tcp.roles import DIALLED, FIRST_LISTENING, Roles
from exporter.tcp.sockets import ROLES, Listener, Origin, Role, Socket
from exporter.tcp.states import State
from exporter.tcp.tally import LocalPorts, Tally, dialled


class Told(NamedTuple):
    """All of it, without what one source tells and another need not."""

    listeners: Counter[Listener]
    sockets: Counter[tuple[State, Role, int]]
    """Those that are counted."""
    watched: Counter[Socket]
    destinations: Counter[bytes]
    ports_in_use: int
    pairs: Counter[tuple[int, int]]


def roomy(found: Told) -> Told:
    """Without that for which all namespaces of a host together have limited room: others may have taken it."""
    return found._replace(destinations=Counter(), ports_in_use=0, pairs=Counter())


def told(
    source: Source, netns: int = OWN, services: Collection[int] = (), ephemeral: range = DEFAULT_EPHEMERAL
) -> Told:
    """What a reading of *source* tells of the namespace by that number, where these local ports are *services*."""
    asked = Asked(services={netns: services}, pairs=True, ports_in_use=True)
    with source.reading(asked) as reading:
        return of(reading, list(reading.batches), netns, services, ephemeral)


def of(reading: Reading, batches: Iterable[Batch], netns: int, services: Collection[int], ephemeral: range) -> Told:
    """What a *reading* with these *batches* has told."""
    found = Told(Counter(), Counter(), Counter(), Counter(), 0, Counter())
    found.listeners.update(one._replace(netns=OWN) for one in reading.listeners if one.netns == netns)
    roles = Roles({*services, *(one.port for one in found.listeners)}, ephemeral)
    ports = LocalPorts()
    for batch in batches:
        match batch:
            case Bulk(state, columns):
                found.sockets.update(_counted(state, columns, roles))
                _look_through(columns, roles, found, ports)
            case Watched(rows, are_mptcp):
                found.watched.update(_plain(reading, rows, netns))
                if not are_mptcp:
                    _look_through(rows, roles, found, ports)
            case Kept(lookups):
                found.watched.update(_plain(reading, lookups, netns))
            case Counts() if batch.netns == netns:
                found = found._replace(ports_in_use=batch.ports_in_use or 0)
                found.sockets.update(batch.sockets)
                found.destinations.update(batch.destinations)
                found.pairs.update(batch.pairs or {})
    return found._replace(ports_in_use=max(found.ports_in_use, ports.busiest_address))


def _counted(state: State, columns: Columns, roles: Roles) -> Mapping[tuple[State, Role, int], int]:
    tally = Tally(roles)
    tally.add(columns, roles.kinds(columns.local_ports()))
    ports = tally.ports()
    return {(state, role, port): sockets for role in ROLES for port, sockets in ports[role].items()}


def _look_through(columns: Columns, roles: Roles, found: Told, ports: LocalPorts) -> None:
    kinds = roles.kinds(columns.local_ports())
    unknown = bytes(kind < FIRST_LISTENING for kind in kinds)
    found.pairs.update(columns.port_pairs(unknown))
    if (chosen := dialled(kinds)) is not None:
        assert DIALLED in kinds
        found.destinations.update(columns.destinations(chosen))
        ports.add(columns, chosen)


def _plain(reading: Reading, rows: Lookups, netns: int) -> Iterable[Socket]:
    """Connections of several subflows come once for each from one source, so all come once."""
    sockets = [reading.socket(key) for key in rows.keys()]  # noqa: SIM118 - no mapping
    here = [_bare(one) for one in sockets if one.netns == netns]
    return chain((one for one in here if not one.is_mptcp), {one for one in here if one.is_mptcp})


def _bare(one: Socket) -> Socket:
    return one._replace(cookie=0, sequence=None, netns=OWN)


def origins(source: Source, netns: int = OWN) -> dict[Socket, Origin]:
    """Of the watched sockets, whoever they are told for."""
    with source.reading(Asked(silences=True)) as reading:
        found = {}
        for batch in reading.batches:
            if isinstance(batch, Watched | Kept):
                keys = batch.rows.keys()
                for key, origin in zip(keys, batch.rows.origins(b"\1" * len(keys)), strict=True):
                    if (socket := reading.socket(key)).netns == netns:
                        found[_bare(socket)] = origin
        return found
