"""A service with a leak, on loopback: what it is asked it answers, and then neither end closes.

    python deploy/demo/service.py PORT

One connection a second, which costs it two descriptors: its own end stays in CLOSE_WAIT, and that of its client, which
is in the same process, in FIN_WAIT2. Besides, ten connections a second that are closed as they should be, and leave
nothing but TIME_WAIT. It goes on until it has no descriptor left, or until SIGTERM, and then resets what it holds.
"""

import contextlib
import errno
import resource
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from types import FrameType

NAME = "demo-service"
DESCRIPTORS = 1024
"""That it may have."""
LEAKS_PER_SECOND = 1.0
DESCRIPTORS_PER_LEAK = 2
CLOSED_PER_LEAK = 10
_RESET = struct.pack("ii", 1, 0)
"""struct linger: on, for no second."""

Pair = tuple[socket.socket, socket.socket]


class Ended(Exception):
    """Somebody has asked for the end."""


def main(port: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    Path("/proc/self/comm").write_text(NAME)
    signal.signal(signal.SIGTERM, _end)
    kept: list[Pair] = []
    with contextlib.suppress(Ended), socket.create_server(("127.0.0.1", port)) as listening:
        leak(listening, kept)
    for one in (end for pair in kept for end in pair):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        one.close()


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Ended


def leak(listening: socket.socket, kept: list[Pair]) -> None:
    """Until there is no descriptor left, and then wait."""
    begun = time.monotonic()
    try:
        while True:
            for _ in range(CLOSED_PER_LEAK):
                _close(*_asked(listening))
            kept.append(_asked(listening))
            time.sleep(max(0.0, begun + len(kept) / LEAKS_PER_SECOND - time.monotonic()))
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
    signal.pause()


def _asked(listening: socket.socket) -> Pair:
    """A client that has asked and shut its half, and the service's end, which has seen that."""
    client = socket.create_connection(listening.getsockname())
    try:
        service, _ = listening.accept()
    except OSError:
        client.close()
        raise
    client.sendall(b"?")
    client.shutdown(socket.SHUT_WR)
    while service.recv(64):
        pass
    service.sendall(b"!")
    client.recv(64)
    return client, service


def _close(client: socket.socket, service: socket.socket) -> None:
    service.close()
    client.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
