"""The server in a thread of this process, on loopback, with a small site and short deadlines."""

import asyncio
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event, Thread

from exporter.server import addresses
from exporter.server.connections import BoundedServer, Bounds, Connections
from exporter.server.routes import Site, application
from exporter.threads.pool import settle

QUICK = Bounds(connections=64, request=1.0, idle=30.0, answer=1.0)
"""Deadlines that tests can wait for."""


@dataclass
class Bytes:
    """Answers every question with the same bytes, which take to be rendered for as long as *gate* is closed."""

    body: bytes = b"metric 1\n"
    cached: bool = True
    gate: Event = field(default_factory=Event)
    asked: list[object] = field(default_factory=list)

    def ready(self, question: object) -> bytes | None:
        self.asked.append(question)
        return self.body if self.cached else None

    def render(self, question: object) -> bytes:
        del question
        self.gate.wait(10)
        return self.body


def site(metrics: Bytes, /, **changed: object) -> Site:
    plain = Site(
        metrics,
        pages=Bytes(b"<p>page</p>"),
        stuck=Bytes(b"{}"),
        healthy=lambda: True,
        ready=lambda: True,
        reload=None,
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


def reloading(do: Callable[[], None]) -> Callable[[], Future[None]]:
    """A reload that does that at once."""

    def reload() -> Future[None]:
        done: Future[None] = Future()
        settle(done, do)
        return done

    return reload


@dataclass(frozen=True)
class Serving:
    """A running server."""

    port: int
    stop: Callable[[], None]
    """Drain and end it; returns when it has ended."""
    connections: Connections

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        one = socket.socket()
        if receive_buffer:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        one.settimeout(20)
        one.connect(("127.0.0.1", self.port))
        return one

    def client(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def get(self, path: str = "/metrics", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own."""
        client = self.client()
        client.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = client.getresponse()
        body = answer.read()
        client.close()
        return answer.status, dict(answer.getheaders()), body

    def raw(self, request: bytes) -> bytes:
        """What comes back for these bytes until the server closes, or says nothing more for a moment."""
        with self.connect() as one:
            one.sendall(request)
            received = b""
            try:
                while chunk := one.recv(65536):
                    received += chunk
                    one.settimeout(0.5)
            except (TimeoutError, ConnectionResetError):
                pass
            return received


@contextmanager
def serving(
    served: Site, bounds: Bounds = QUICK, drain_seconds: float = 1.0, tls: ssl.SSLContext | None = None
) -> Iterator[Serving]:
    """The server for *served*, until the end of the block."""
    [listening] = addresses.bind("127.0.0.1:0")
    connections = Connections(bounds)
    started, loop = Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        server = BoundedServer(application(served, connections), connections, bounds, tls)
        server.serve([listening])
        started.set()
        await stop.wait()
        await server.drain(drain_seconds)

    def in_thread() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = Thread(target=in_thread)

    def end() -> None:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
            thread.join(20)
            assert not thread.is_alive(), "the server does not end"

    thread.start()
    assert started.wait(20)
    try:
        yield Serving(listening.getsockname()[1], end, connections)
    finally:
        end()
