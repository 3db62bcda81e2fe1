"""Where the stuck sockets wait that nobody has accepted."""

from collections.abc import Iterable, Sequence

from exporter.count.alike import Alike, Group, Hold
from exporter.count.listeners import Listeners, Waiting
from exporter.tcp.sockets import Listener
from exporter.tcp.states import State


class Unaccepted:
    """Judged anew with each reading, by all of them together: how many they are says in which queue they can be."""

    def __init__(self) -> None:
        self._listeners = Listeners()
        self._likely: dict[tuple[Listener, ...], Sequence[Listener]] = {}
        """Of listening sockets that are alike, those at which connections wait."""

    def follow(self, listeners: Iterable[Listener], groups: Iterable[Group], now: float) -> None:
        """Go by the *listeners* of a complete reading, which began at *now*, and the *groups* of stuck sockets."""
        self._listeners.follow(listeners, now)
        waiting: dict[tuple[Listener, ...], Waiting] = {}
        for group in groups:
            alike = tuple(self._alike(group.alike))
            if alike and _is_in_queue(group.alike):
                others = waiting.get(alike, Waiting(0, group.oldest_since))
                oldest = min(others.oldest_since, group.oldest_since)
                waiting[alike] = Waiting(others.sockets + group.stuck, oldest)
        self._likely = {alike: self._listeners.likely(alike, them) for alike, them in waiting.items()}

    def at(self, alike: Alike) -> Sequence[Listener]:
        """The listening sockets at which they may wait; none if they do not wait, or nobody listens."""
        found = self._alike(alike)
        return self._likely.get(tuple(found), found) if found and _is_in_queue(alike) else found

    def _alike(self, alike: Alike) -> Sequence[Listener]:
        is_its_own = alike.hold is Hold.UNACCEPTED and alike.service.role == "server"
        service = alike.service
        return self._listeners.of(service.port, alike.address, service.netns) if is_its_own else ()


def _is_in_queue(alike: Alike) -> bool:
    """A request for a connection is in no accept queue yet."""
    return alike.state is not State.SYN_RECV
