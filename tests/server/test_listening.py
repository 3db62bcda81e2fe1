"""Accepting goes on, quietly, where accept(2) or what follows it fails."""

import asyncio
import errno
import logging
import os
import resource
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import pytest
from tornado.ioloop import IOLoop

from exporter.logs.seldom import AT_ONCE
from exporter.server import addresses
from exporter.server.connections import BoundedServer, Bounds, Connections
from exporter.server.listening import REST_SECONDS, Listener
from exporter.server.routes import application
from tests.lab import certificates
from tests.lab.witness import wait_for
from tests.server.serving import Bytes, Serving, serving, site

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Hold as many descriptors as the process may have, until the end of the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        try:
            while True:
                held.callback(os.close, os.dup(0))
        except OSError:
            yield


def connect(one: socket.socket, server: Serving) -> None:
    """The kernel completes the connection; a server without descriptors cannot accept it."""
    one.settimeout(5)
    one.connect(("127.0.0.1", server.port))


def test_a_silent_client_gives_its_descriptor_to_one_who_asks() -> None:
    with serving(site(Bytes()), Bounds(request=30.0)) as server, server.connect() as silent, socket.socket() as scraper:
        wait_for(lambda: len(server.connections._clients) == 1, "the silent client is accepted")
        with no_descriptor_left():
            connect(scraper, server)
            scraper.sendall(REQUEST)

            assert scraper.recv(4096).startswith(b"HTTP/1.1 200")
            assert silent.recv(1) == b""


def test_without_any_descriptor_the_server_waits_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """The event loop would call accept(2) again at once, and log a traceback each time."""
    with serving(site(Bytes())) as server, socket.socket() as scraper:
        with no_descriptor_left():
            connect(scraper, server)
            scraper.sendall(REQUEST)
            before = time.process_time()
            time.sleep(1.5)
            busy = time.process_time() - before

        assert scraper.recv(4096).startswith(b"HTTP/1.1 200")
    assert busy < 0.3
    assert caplog.messages == ["cannot accept connections: Too many open files"]


class ByTurns:
    """A listening socket of which every second connection cannot be accepted."""

    def __init__(self, ready: int) -> None:
        self._ready, self._calls = ready, 0

    def fileno(self) -> int:
        return self._ready

    def accept(self) -> tuple[str, str]:
        self._calls += 1
        if self._calls % 2:
            raise OSError(errno.EMFILE, "Too many open files")
        return "connection", "address"


def test_descriptors_that_come_and_go_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    reading, writing = socket.socketpair()
    writing.send(b"somebody waits")

    async def run() -> None:
        listener = Listener(cast(socket.socket, ByTurns(reading.fileno())), lambda: False)
        IOLoop.current().add_handler(listener, lambda *_: None, IOLoop.READ)
        for _ in range(50):
            with pytest.raises(BlockingIOError):
                listener.accept()
            assert listener.accept()[1] == "address"

    with reading, writing:
        asyncio.run(run())

    assert caplog.messages == ["cannot accept connections: Too many open files"] * AT_ONCE


def bounded_server(tls: ssl.SSLContext | None = None) -> BoundedServer:
    bounds = Bounds()
    connections = Connections(bounds)
    return BoundedServer(application(site(Bytes()), connections), connections, bounds, tls)


def test_a_server_that_waits_for_a_descriptor_can_be_stopped(caplog: pytest.LogCaptureFixture) -> None:
    """It does not come back to sockets that have been closed in the meantime."""
    [listening] = addresses.bind("127.0.0.1:0")

    async def run(scraper: socket.socket) -> None:
        server = bounded_server()
        server.serve([listening])
        with no_descriptor_left():
            scraper.connect(listening.getsockname())
            await asyncio.sleep(0.1)
        await server.drain(0.0)
        await asyncio.sleep(REST_SECONDS)

    with socket.socket() as scraper:
        asyncio.run(run(scraper))

    assert caplog.messages == ["cannot accept connections: Too many open files"]


def reset(address: tuple[str, int], said: bytes) -> None:
    """Connect, say something, and end the connection as a port scanner does."""
    with socket.create_connection(address) as scanner:
        scanner.sendall(said)
        scanner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.0\r\n\r\n"], ids=["silent", "plain HTTP"])
def test_a_port_scan_of_a_tls_port_logs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture, said: bytes) -> None:
    """The peers are gone before they are accepted; Python leaves the sockets of such to the garbage collector."""
    certificates.make(tmp_path, "own")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "own.crt", tmp_path / "own.key")
    [listening] = addresses.bind("127.0.0.1:0")
    for _ in range(20):
        reset(listening.getsockname(), said)

    async def run() -> None:
        server = bounded_server(tls)
        server.serve([listening])
        await asyncio.sleep(0.2)
        await server.drain(0.0)

    with caplog.at_level(logging.INFO):
        asyncio.run(run())

    assert caplog.messages == []
