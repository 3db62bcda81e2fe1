"""Makes connections on loopback for a population, as ordered, and holds them until its input ends.

    python -m tests.lab.population_worker NUMBER PORTS

The number tells workers apart, from 1 to 255; each serves that many ports, from 7000 on. An order is a line with a kind
and a count; ``done`` answers it. Both ends of a connection are here. Where one end is to be without the other, the
other is aborted, and its RST has to be lost on the way.
"""

import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from itertools import cycle, product

Ends = tuple[socket.socket, socket.socket]
"""Of a connection, in the order in which they close if they close: first and second."""

FIRST_PORT = 7000
CLIENT_PORTS = range(20000, 65000)

_DEADLINE = 120
"""Seconds after which an order that is not done ends the worker."""
_ABORT = struct.pack("ii", 1, 0)  # struct linger: on, for no time at all


def connections(number: int, ports: int) -> Iterator[Ends]:
    """Connections to one port after the other, with the client first, then with the server first, and so on.

    No client has the address and port of an earlier one: a SYN from there would meet the end that is left of it.
    """
    listening = [socket.create_server((f"127.0.0.{number}", port)) for port in range(FIRST_PORT, FIRST_PORT + ports)]
    clients = ((f"127.{number}.{block}.1", port) for block in range(256) for port in CLIENT_PORTS)
    for server, order in cycle(product(listening, (1, -1))):
        client = socket.socket()
        client.bind(next(clients))
        client.connect(server.getsockname())
        first, second = (client, server.accept()[0])[::order]
        yield first, second


def half_close(first: socket.socket, second: socket.socket) -> list[socket.socket]:
    """FIN_WAIT2 and CLOSE_WAIT; the second end has read the FIN, and sends an ACK that would otherwise be delayed."""
    first.shutdown(socket.SHUT_WR)
    assert second.recv(1) == b""
    second.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    return [first, second]


def established(first: socket.socket, second: socket.socket) -> list[socket.socket]:
    return [first, second]


def fin_wait2(first: socket.socket, second: socket.socket) -> list[socket.socket]:
    half_close(first, second)
    _abort(second)
    return [first]


def close_wait(first: socket.socket, second: socket.socket) -> list[socket.socket]:
    half_close(first, second)
    _abort(first)
    return [second]


def time_wait(first: socket.socket, second: socket.socket) -> list[socket.socket]:
    """The kernel keeps the first end for a minute; the process has neither."""
    first.close()
    assert second.recv(1) == b""
    second.close()
    return []


def _abort(one: socket.socket) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    one.close()


KINDS: dict[str, Callable[[socket.socket, socket.socket], list[socket.socket]]] = {
    kind.__name__: kind for kind in (established, half_close, fin_wait2, close_wait, time_wait)
}
"""What becomes of a connection: the function answers with the ends that are to be kept."""


def main() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    made = connections(*map(int, sys.argv[1:]))
    kept: list[socket.socket] = []
    for order in sys.stdin:
        signal.alarm(_DEADLINE)
        kind, count = order.split()
        for _ in range(int(count)):
            kept += KINDS[kind](*next(made))
        signal.alarm(0)
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
