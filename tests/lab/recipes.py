"""How to make sockets of every kind, exactly as many as wanted.

Connections go from namespace *a* to port 7000 in namespace *b*. Packets are lost where a state needs that, by dropping
them on arrival.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import wraps
from itertools import product
from typing import Literal

from exporter.tcp.sockets import Role
from exporter.tcp.states import State
from tests.lab.netns import Namespace, Pair
from tests.lab.witness import by_state, wait_for

PORT = 7000
QUEUED = 2

Family = Literal["4", "6", "mapped"]
FAMILIES: tuple[Family, ...] = ("4", "6", "mapped")

_ADDRESSES: dict[Family, tuple[socket.AddressFamily, str]] = {
    "4": (socket.AF_INET, "10.99.0.2"),
    "6": (socket.AF_INET6, "fd99::2"),
    "mapped": (socket.AF_INET6, "::ffff:10.99.0.2"),
}

Sockets = list[socket.socket]
_TCP = "meta l4proto tcp"
_SYN_ACK = "tcp flags & (syn|ack) == (syn|ack)"
_ACK = "tcp flags & (syn|ack) == ack"


class Stage:
    """Makes sockets for a recipe and keeps them until the scene is over."""

    def __init__(self, pair: Pair, family: Family) -> None:
        self.pair = pair
        self._family, self._address = _ADDRESSES[family]
        self._kept = ExitStack()

    def close(self) -> None:
        self._kept.close()

    def listen(self, port: int = PORT, backlog: int = 1024) -> socket.socket:
        with self.pair.b.entered():
            listener = self._keep(socket.socket(self._family, socket.SOCK_STREAM))
        if self._family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("" if self._family == socket.AF_INET else "::", port))
        listener.listen(backlog)
        return listener

    def dial(self, count: int, port: int = PORT, *, wait: bool = True) -> Sockets:
        with self.pair.a.entered():
            clients = [self._keep(socket.socket(self._family, socket.SOCK_STREAM)) for _ in range(count)]
        for client in clients:
            client.settimeout(5 if wait else 0)
            with nullcontext() if wait else suppress(BlockingIOError):
                client.connect((self._address, port))
        return clients

    def connect(self, count: int) -> tuple[Sockets, Sockets]:
        listener = self.listen()
        clients = self.dial(count)
        servers = [self._keep(listener.accept()[0]) for _ in range(count)]
        listener.close()
        return clients, servers

    def bind(self, count: int) -> None:
        with self.pair.a.entered():
            for index in range(count):
                self._keep(socket.socket(self._family, socket.SOCK_STREAM)).bind(("", PORT + index))

    def _keep(self, one: socket.socket) -> socket.socket:
        self._kept.callback(one.close)
        return one

    def settle(self, place: Namespace, state: State, count: int) -> None:
        """Wait until *place* has so many sockets in *state*."""
        wait_for(lambda: by_state(place)[state] == count, f"{count} sockets in {state.label}", seconds=15)


@dataclass(frozen=True)
class Scene:
    """Where the sockets are that a recipe made, and what they should be counted under."""

    place: Namespace
    state: State
    count: int
    """How many sockets of the place are in the state."""
    role: Role
    port: int = PORT
    """The server's; of several servers, the first one's."""


Recipe = Callable[[Pair, Family, int], AbstractContextManager[Scene]]
"""Makes so many sockets, and keeps them until the context is left."""

RECIPES: dict[str, Recipe] = {}


def recipe(make: Callable[[Stage, int], Scene]) -> Recipe:
    """Enter a recipe into the table; its scene begins once ss sees the sockets."""

    @wraps(make)
    @contextmanager
    def staged(pair: Pair, family: Family, count: int) -> Iterator[Scene]:
        with closing(Stage(pair, family)) as stage:
            made = make(stage, count)
            stage.settle(made.place, made.state, made.count)
            yield made

    RECIPES[make.__name__] = staged
    return staged


def _shut(sockets: Sockets) -> None:
    for one in sockets:
        one.shutdown(socket.SHUT_WR)


def _shut_and_probe(sockets: Sockets) -> None:
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    _shut(sockets)


def _close(sockets: Sockets) -> None:
    for one in sockets:
        one.close()


@recipe
def listening(stage: Stage, count: int) -> Scene:
    for index in range(count):
        stage.listen(PORT + index)
    return Scene(stage.pair.b, State.LISTEN, count, "server")


@recipe
def listening_with_a_queue(stage: Stage, count: int) -> Scene:
    """QUEUED connections wait at each listening socket."""
    for port in range(PORT, PORT + count):
        stage.listen(port)
        stage.dial(QUEUED, port)
    return Scene(stage.pair.b, State.LISTEN, count, "server")


@recipe
def established_client(stage: Stage, count: int) -> Scene:
    stage.connect(count)
    return Scene(stage.pair.a, State.ESTABLISHED, count, "client")


@recipe
def established_server(stage: Stage, count: int) -> Scene:
    stage.connect(count)
    return Scene(stage.pair.b, State.ESTABLISHED, count, "server")


@recipe
def established_unaccepted(stage: Stage, count: int) -> Scene:
    stage.listen()
    stage.dial(count)
    return Scene(stage.pair.b, State.ESTABLISHED, count, "server")


@recipe
def syn_sent(stage: Stage, count: int) -> Scene:
    stage.pair.b.drop_input(_TCP)
    stage.dial(count, wait=False)
    return Scene(stage.pair.a, State.SYN_SENT, count, "client")


@recipe
def syn_recv(stage: Stage, count: int) -> Scene:
    stage.pair.a.drop_input(_SYN_ACK)
    stage.listen()
    stage.dial(count, wait=False)
    return Scene(stage.pair.b, State.SYN_RECV, count, "server")


@recipe
def syn_recv_without_last_ack(stage: Stage, count: int) -> Scene:
    stage.pair.b.drop_input(_ACK)
    stage.listen()
    stage.dial(count)
    return Scene(stage.pair.b, State.SYN_RECV, count, "server")


def _fin_wait1(stage: Stage, count: int, end: Callable[[Sockets], None]) -> Scene:
    clients, _ = stage.connect(count)
    stage.pair.b.drop_input(_TCP)
    end(clients)
    return Scene(stage.pair.a, State.FIN_WAIT1, count, "client")


@recipe
def fin_wait1_held(stage: Stage, count: int) -> Scene:
    return _fin_wait1(stage, count, _shut)


@recipe
def fin_wait1_orphan(stage: Stage, count: int) -> Scene:
    return _fin_wait1(stage, count, _close)


def _fin_wait2(stage: Stage, count: int, end: Callable[[Sockets], None]) -> Scene:
    clients, _ = stage.connect(count)
    end(clients)
    return Scene(stage.pair.a, State.FIN_WAIT2, count, "client")


@recipe
def fin_wait2_held(stage: Stage, count: int) -> Scene:
    return _fin_wait2(stage, count, _shut)


@recipe
def fin_wait2_held_with_keepalive(stage: Stage, count: int) -> Scene:
    return _fin_wait2(stage, count, _shut_and_probe)


@recipe
def fin_wait2_mini(stage: Stage, count: int) -> Scene:
    """No more than a timer is left of the socket, as always where tcp_fin_timeout is 60 s or less."""
    return _fin_wait2(stage, count, _close)


@recipe
def fin_wait2_full_orphan(stage: Stage, count: int) -> Scene:
    """The kernel keeps the whole socket for what tcp_fin_timeout is above 60 s."""
    stage.pair.a.sysctl("net.ipv4.tcp_fin_timeout", 100)
    return _fin_wait2(stage, count, _close)


@recipe
def time_wait_client(stage: Stage, count: int) -> Scene:
    clients, servers = stage.connect(count)
    _close(clients)
    stage.settle(stage.pair.b, State.CLOSE_WAIT, count)
    _close(servers)
    return Scene(stage.pair.a, State.TIME_WAIT, count, "client")


@recipe
def time_wait_server(stage: Stage, count: int) -> Scene:
    clients, servers = stage.connect(count)
    _close(servers)
    stage.settle(stage.pair.a, State.CLOSE_WAIT, count)
    _close(clients)
    return Scene(stage.pair.b, State.TIME_WAIT, count, "server")


@recipe
def close_wait_held(stage: Stage, count: int) -> Scene:
    clients, _ = stage.connect(count)
    _shut(clients)
    return Scene(stage.pair.b, State.CLOSE_WAIT, count, "server")


@recipe
def close_wait_unaccepted(stage: Stage, count: int) -> Scene:
    stage.listen()
    clients = stage.dial(count)
    for client in clients:
        client.sendall(b"unread")
    _close(clients)
    return Scene(stage.pair.b, State.CLOSE_WAIT, count, "server")


@recipe
def close_wait_unread(stage: Stage, count: int) -> Scene:
    clients, _ = stage.connect(count)
    for client in clients:
        client.sendall(b"unread")
    _shut(clients)
    return Scene(stage.pair.b, State.CLOSE_WAIT, count, "server")


@recipe
def close_wait_read(stage: Stage, count: int) -> Scene:
    clients, servers = stage.connect(count)
    _shut(clients)
    for server in servers:
        assert server.recv(1) == b""
    return Scene(stage.pair.b, State.CLOSE_WAIT, count, "server")


def _last_ack(stage: Stage, count: int, end: Callable[[Sockets], None]) -> Scene:
    clients, servers = stage.connect(count)
    _shut(clients)
    stage.settle(stage.pair.b, State.CLOSE_WAIT, count)
    stage.pair.a.drop_input(_TCP)
    end(servers)
    return Scene(stage.pair.b, State.LAST_ACK, count, "server")


@recipe
def last_ack_held(stage: Stage, count: int) -> Scene:
    return _last_ack(stage, count, _shut)


@recipe
def last_ack_orphan(stage: Stage, count: int) -> Scene:
    return _last_ack(stage, count, _close)


def _closing(stage: Stage, count: int, end: Callable[[Sockets], None]) -> Scene:
    clients, servers = stage.connect(count)
    stage.pair.a.drop_input(_TCP)
    end(servers)
    stage.settle(stage.pair.b, State.FIN_WAIT1, count)
    _shut(clients)
    return Scene(stage.pair.b, State.CLOSING, count, "server")


@recipe
def closing_held(stage: Stage, count: int) -> Scene:
    return _closing(stage, count, _shut)


@recipe
def closing_orphan(stage: Stage, count: int) -> Scene:
    return _closing(stage, count, _close)


@recipe
def bound(stage: Stage, count: int) -> Scene:
    """Sockets that are bound and no more: nothing that is to be counted."""
    stage.bind(count)
    return Scene(stage.pair.a, State.CLOSE, 0, "client")


EVERY = [(make, family) for make, family in product(RECIPES.values(), FAMILIES) if make is not bound]
"""Each recipe whose sockets are counted, with each family."""
