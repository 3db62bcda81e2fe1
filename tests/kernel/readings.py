"""Readings of real sources, as tests want them."""

from collections.abc import Callable, Iterable, Sequence

from exporter.kernel.procfs import Procfs
from exporter.kernel.sock_diag import SockDiag
from exporter.kernel.source import Source
from exporter.tcp.limits import DEFAULT_EPHEMERAL
from exporter.tcp.roles import Roles
from exporter.tcp.sockets import Socket
from exporter.tcp.states import State
from tests.lab.netns import Namespace

Make = Callable[[], Source]

MAKERS: Sequence[Make] = (SockDiag, Procfs)
"""The sources that tell how sockets end."""


def watched(make: Make, place: Namespace, state: State, *, silences: bool = False) -> list[Socket]:
    """The sockets of *place* in *state*, one by one."""
    found: list[Socket] = []

    def watch(sockets: Iterable[Socket]) -> None:
        found.extend(one for one in sockets if one.state is state)

    with place.entered():
        source = make()
        source.read(
            lambda listeners: Roles({one.port for one in listeners}, DEFAULT_EPHEMERAL), watch, silences=silences
        )
        source.close()
    return found
