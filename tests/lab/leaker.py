"""A program that leaks: connections of which one side never closes, on loopback if nothing else is said.

    python -m tests.lab.leaker NAME serve PORT                  accepts, reads to the end, and keeps the sockets
    python -m tests.lab.leaker NAME dial PORT COUNT [ADDRESS]   connects, ends its half, and keeps the sockets
    python -m tests.lab.leaker NAME hang PORT                   listens, and never accepts
    python -m tests.lab.leaker NAME reset PORT COUNT            connects to itself, resets, and keeps the sockets
    python -m tests.lab.leaker NAME churn PORT RATE             connects, and both sides close, so many times a second

Whatever it does it calls itself NAME, says ``ready``, and goes on until it is killed. With ``dial`` each line of its
input is a number of further connections, answered by ``done``; an empty line closes all. Who has no descriptor left
does without.
"""

import contextlib
import errno
import resource
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

Sockets = list[socket.socket]

_LINGERS = 0.1
"""Seconds for which the serving side of a passing connection stays in CLOSE_WAIT, and the other in FIN_WAIT2."""


def serve(port: str) -> None:
    kept: Sockets = []
    with socket.create_server(("", int(port)), backlog=1024) as listening, DefaultSelector() as selector:
        selector.register(listening, EVENT_READ)
        _say("ready")
        while True:
            for key, _ in selector.select():
                if key.fileobj is listening:
                    with _without_descriptors():
                        kept.append(listening.accept()[0])
                        selector.register(kept[-1], EVENT_READ)
                else:
                    _read(selector, key.fd, kept)


def _read(selector: DefaultSelector, descriptor: int, kept: Sockets) -> None:
    one = next(one for one in reversed(kept) if one.fileno() == descriptor)
    with contextlib.suppress(ConnectionError):
        if one.recv(4096):
            return
    selector.unregister(one)


def dial(port: str, count: str, address: str = "127.0.0.1") -> None:
    server = address, int(port)
    kept = _dialled(server, int(count))
    _say("ready")
    for line in sys.stdin:
        if line.strip():
            kept += _dialled(server, int(line))
        else:
            _close(kept)
        _say("done")


def _dialled(server: tuple[str, int], count: int) -> Sockets:
    made: Sockets = []
    with _without_descriptors():
        for _ in range(count):
            made.append(socket.create_connection(server))
            made[-1].shutdown(socket.SHUT_WR)
    return made


@contextlib.contextmanager
def _without_descriptors() -> Iterator[None]:
    """Ends quietly where no descriptor is left."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise


def hang(port: str) -> None:
    with socket.create_server(("", int(port)), backlog=16):
        _say("ready")
        sys.stdin.read()


def reset(port: str, count: str) -> None:
    kept: Sockets = []
    with socket.create_server(("127.0.0.1", int(port))) as listening:
        for _ in range(int(count)):
            kept.append(socket.create_connection(listening.getsockname()))
            server, _ = listening.accept()
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            server.close()
        _say("ready")
        sys.stdin.read()


def churn(port: str, rate: str) -> None:
    listening = [socket.create_server((f"127.0.1.{number}", int(port))) for number in range(1, 21)]
    lingering: deque[tuple[float, socket.socket, socket.socket]] = deque()
    _say("ready")
    begun, made = time.monotonic(), 0
    while True:
        now = time.monotonic()
        while made < (now - begun) * int(rate):
            server = listening[made % len(listening)]
            client = socket.create_connection(server.getsockname())
            lingering.append((now + _LINGERS, *_ended(client, server.accept()[0], made)))
            made += 1
        while lingering and lingering[0][0] <= now:
            _close([*lingering.popleft()[1:]])
        time.sleep(0.001)


def _ended(client: socket.socket, server: socket.socket, number: int) -> tuple[socket.socket, socket.socket]:
    """The two ends after the first of them has ended its half: by turns held, closed, and from the other side."""
    first, second = (client, server) if number % 2 else (server, client)
    if number % 3:
        first.shutdown(socket.SHUT_WR)
    else:
        first.close()
    return second, first


def _close(sockets: Sockets) -> None:
    for one in sockets:
        one.close()
    sockets.clear()


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


_DO: dict[str, Callable[..., None]] = {"serve": serve, "dial": dial, "hang": hang, "reset": reset, "churn": churn}


def main() -> None:
    name, what, *arguments = sys.argv[1:]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Path("/proc/self/comm").write_text(name)
    _DO[what](*arguments)


if __name__ == "__main__":
    main()
