"""Tornado's HTTP server with a bound on everything that a client can make it keep.

Tornado bounds the size of headers and bodies and how long a body may take. It does not bound how many connections there
are (and spins when it runs out of descriptors), nor how long a client may take to read an answer; it has one time for
a request that does not come and for a connection that waits for its next one; and it cuts answers off when it stops.
"""

import asyncio
import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate
from tornado.ioloop import PeriodicCallback
from tornado.iostream import IOStream
from tornado.web import Application

from exporter.server.listening import Listener
from exporter.server.streams import Stream, TlsStream
from exporter.server.targets import OriginForm

MAX_HEADER_BYTES = 16 << 10
MAX_BODY_BYTES = 4 << 10
BODY_SECONDS = 5.0
SWEEP_SECONDS = 2.0
"""How late a connection may be closed. Each look wakes a process that has nothing else to do for most of the time."""


@dataclass(frozen=True)
class Bounds:
    """What a client may take, in connections and seconds."""

    connections: int = 256
    request: float = 10.0
    """From connecting to the end of the first request's header."""
    idle: float = 360.0
    """Between requests: longer than Prometheus keeps an idle connection, so that the TIME_WAIT is on its side."""
    answer: float = 10.0
    """To read an answer."""


@dataclass
class _Client:
    """What is known of a connection."""

    since: float
    """When it was opened, or its last request ended."""
    served: bool = False
    """Whether it has had an answer."""
    busy: bool = False
    """Whether a request of its is being answered."""
    writing_since: float | None = None


class Connections:
    """The open connections."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds, self._clock = bounds, clock
        self._limit = min(bounds.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._clients: dict[IOStream, _Client] = {}

    def opened(self, stream: IOStream) -> None:
        """Take in a connection; when there is no place, another one has to go."""
        while len(self._clients) >= self._limit:
            self.make_room()
        self._clients[stream] = _Client(self._clock())

    def make_room(self) -> bool:
        """Close the connection that can best be spared; False if there is none."""
        if not self._clients:
            return False
        spared = min(self._spare(), key=lambda stream: self._clients[stream].since)
        # close() is noticed only later, and more connections may be accepted before that.
        del self._clients[spared]
        spared.close()
        return True

    def _spare(self) -> list[IOStream]:
        """The connections of the kind that has to give one up.

        Newcomers, who have had no answer yet, may have half of the places. Were they always the first to go, whoever
        fills all places with answered connections could shut everybody else out; were they never, a flood of them
        would drive out the scraper that comes back.
        """
        newcomers: list[IOStream] = []
        regulars: list[IOStream] = []
        busy: list[IOStream] = []
        for stream, client in self._clients.items():
            (busy if client.busy else regulars if client.served else newcomers).append(stream)
        return newcomers if len(newcomers) > len(self._clients) // 2 else regulars or newcomers or busy

    def closed(self, stream: IOStream) -> None:
        """Forget a connection."""
        self._clients.pop(stream, None)

    def begin(self, stream: IOStream) -> None:
        """A request of the connection is complete and will be answered."""
        if client := self._clients.get(stream):
            client.busy = True

    def end(self, stream: IOStream) -> None:
        """The answer has been handed to the connection."""
        if client := self._clients.get(stream):
            client.busy, client.served, client.since = False, True, self._clock()

    def sweep(self) -> None:
        """Close the connections that have taken too long."""
        now = self._clock()
        for stream, client in list(self._clients.items()):
            client.writing_since = (client.writing_since or now) if stream.writing() else None
            if self._overdue(client, now):
                stream.close()

    def _overdue(self, client: _Client, now: float) -> bool:
        if client.writing_since is not None:
            return now - client.writing_since > self._bounds.answer
        patience = self._bounds.idle if client.served else self._bounds.request
        return not client.busy and now - client.since > patience

    def at_work(self) -> bool:
        """Whether an answer is being made or read."""
        return any(client.busy or stream.writing() for stream, client in self._clients.items())


class BoundedServer(HTTPServer):
    """Tornado's server, which tells *connections* of every connection and lets answers end before it stops."""

    def initialize(  # type: ignore[override]
        self, application: Application, connections: Connections, bounds: Bounds, tls: ssl.SSLContext | None = None
    ) -> None:
        """What Tornado calls in place of ``__init__``."""
        super().initialize(
            application,
            idle_connection_timeout=bounds.idle,
            body_timeout=BODY_SECONDS,
            max_header_size=MAX_HEADER_BYTES,
            max_body_size=MAX_BODY_BYTES,
            ssl_options=tls,
        )
        self._clients = connections
        self._sweep = PeriodicCallback(connections.sweep, SWEEP_SECONDS * 1000)

    def serve(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on the listening *sockets* from now on."""
        listeners = [Listener(listening, self._clients.make_room) for listening in sockets]
        self.add_sockets(cast(list[socket.socket], listeners))
        self._sweep.start()

    def renew(self, tls: ssl.SSLContext | None) -> None:
        """Use other certificates from the next connection on."""
        self.ssl_options = tls

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        """A connection has been accepted, and TLS is to begin.

        Port scanners reset what they open, so it may be gone already; Tornado passes that on as an error of the loop.
        """
        try:
            self.handle_stream(self._stream(connection), address)
        except OSError:
            connection.close()

    def _stream(self, connection: socket.socket) -> IOStream:
        if self.ssl_options is None:
            return Stream(connection)
        assert isinstance(self.ssl_options, ssl.SSLContext)  # noqa: S101 - Tornado would take a dictionary, too
        return TlsStream(self.ssl_options.wrap_socket(connection, server_side=True, do_handshake_on_connect=False))

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """A request is about to be read."""
        return OriginForm(super().start_request(server_conn, request_conn))

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """A connection is about to be served; TLS may not have begun."""
        _never_delay(stream)
        self._clients.opened(stream)
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        """A connection has ended."""
        self._clients.closed(cast(HTTP1ServerConnection, server_conn).stream)
        super().on_close(server_conn)

    async def drain(self, seconds: float) -> None:
        """Accept no more, give the answers under way so many *seconds* to end, and close everything."""
        self.stop()
        end = time.monotonic() + seconds
        # Tornado tells nobody when a connection has written all.
        while self._clients.at_work() and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        self._sweep.stop()
        await self.close_all_connections()


def _never_delay(stream: IOStream) -> None:
    """Turn Nagle's algorithm off for good.

    Tornado turns it on again with the end of each answer, and what the socket still holds then waits for the peer's
    delayed acknowledgement: measured, 15 ms for every tenth answer of 100 kB.
    """
    stream.set_nodelay(True)
    stream.set_nodelay = lambda value: None  # type: ignore[method-assign]  # noqa: ARG005
