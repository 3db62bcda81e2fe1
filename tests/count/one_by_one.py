"""The plain way to judge watched sockets, one by one: what the fast way has to agree with."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exporter.tcp.roles import Roles
from exporter.tcp.sockets import Identity, Origin, Service, Socket
from exporter.tcp.states import SILENT, State, Timer
from exporter.tcp.verdicts import Verdict, is_never_stuck, verdict


class Told(NamedTuple):
    """Of the sockets of one service in one state."""

    sockets: int
    stuck: int
    oldest_since: float
    verdicts: Mapping[Verdict | None, int]


class OneByOne:
    """Remembers when each socket came into its state, and when it was last seen."""

    def __init__(self) -> None:
        self._since: dict[tuple[Identity, State], float] = {}
        self._seen: dict[tuple[Identity, State], int] = {}
        self._readings = 0

    def read(
        self,
        sockets: Iterable[Socket],
        now: float,
        roles: Roles,
        after: Mapping[State, float],
        origins: Mapping[Socket, Origin],
    ) -> tuple[Mapping[tuple[Service, State], Told], list[float]]:
        """What is told after a reading, and since when the stuck ones are there."""
        self._readings += 1
        told: dict[tuple[Service, State], Told] = {}
        stuck_since: list[float] = []
        for socket in sockets:
            since = self._judge(socket, now, origins)
            if since is None:
                continue
            is_stuck = _is_stuck(socket, since, now, after)
            stuck_since += [since] if is_stuck else []
            key = roles.service(socket.local_port, socket.remote_port), socket.state
            told[key] = _added(told.get(key), socket, since, is_stuck=is_stuck)
        self._forget()
        return told, sorted(stuck_since)

    def _judge(self, socket: Socket, now: float, origins: Mapping[Socket, Origin]) -> float | None:
        """Since when it is there; None if this reading has shown it before."""
        key = socket.identity, socket.state
        if self._seen.get(key) == self._readings:
            return None
        self._seen[key] = self._readings
        silent = socket.timer == Timer.NONE and socket.state in SILENT
        silence = origins.get(socket, Origin()).silence if silent else 0.0
        return self._since.setdefault(key, now - silence)

    def _forget(self) -> None:
        for key in [key for key, reading in self._seen.items() if reading < self._readings - 1]:
            del self._seen[key], self._since[key]


def _is_stuck(socket: Socket, since: float, now: float, after: Mapping[State, float]) -> bool:
    return not is_never_stuck(socket) and socket.state in after and since <= now - after[socket.state]


def _added(before: Told | None, socket: Socket, since: float, *, is_stuck: bool) -> Told:
    told = before or Told(0, 0, since, {})
    verdicts = Counter(told.verdicts) + Counter([verdict(socket)])
    return Told(told.sockets + 1, told.stuck + is_stuck, min(told.oldest_since, since), verdicts)
