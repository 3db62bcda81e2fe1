"""Makes connections on loopback for a population, as ordered, and holds them until its input ends.

    python -m tests.lab.population_worker NUMBER WORKERS PORTS

Workers are numbered from 1 to 255; each serves that many ports, from 7000 on. An order is a line with a kind and a
count; ``done`` answers it. Both ends of a connection are here. Where one end is to be without the other, the other is
aborted, and its RST has to be lost on the way.
"""

import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from itertools import cycle, product

Address = tuple[str, int]
Ends = tuple[socket.socket, socket.socket]
"""Of a connection, in the order in which they close if they close: first and second."""

FIRST_PORT = 7000
CLIENT_PORTS = range(20000, 65000)
SILENT = "192.0.2.1"
"""Packets to this address must be lost on the way."""

_SCANNED = "127.0.1.1"
_HTTPS = 443
_OCTETS = range(256)
_DEADLINE = 120
"""Seconds after which an order that is not done ends the worker."""
_ABORT = struct.pack("ii", 1, 0)  # struct linger: on, for no time at all
_TCP_REPAIR = 19  # linux/tcp.h
_REPAIRED = -1  # TCP_REPAIR_OFF_NO_WP: without asking the peer for its window


class Worker:
    """Serves, and has addresses that nobody has used yet."""

    def __init__(self, number: int, workers: int, ports: int) -> None:
        served = range(FIRST_PORT, FIRST_PORT + ports)
        listening = [socket.create_server((f"127.0.0.{number}", port)) for port in served]
        self._turns = cycle(product(listening, (1, -1)))
        self._clients = ((f"127.{number}.{block}.1", port) for block in range(128) for port in CLIENT_PORTS)
        self.scanned = ((_SCANNED, port) for port in range(number, 1 << 16, workers))
        self.silent = ((SILENT, port) for port in cycle(served))
        self.destinations = ((f"127.{number}.{128 + block}.{host}", _HTTPS) for block in range(128) for host in _OCTETS)

    def connection(self) -> Ends:
        """To one port after the other, with the client first, then with the server first, and so on.

        No client has the address and port of an earlier one: a SYN from there would meet the end that is left of it.
        """
        server, order = next(self._turns)
        client = socket.socket()
        client.bind(next(self._clients))
        client.connect(server.getsockname())
        first, second = (client, server.accept()[0])[::order]
        return first, second

    def dialled(self, destination: Address) -> socket.socket:
        """The client's end of a connection whose other end does not exist.

        A socket under repair is connected without a packet, and closed without one.
        """
        client = socket.socket()
        client.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        client.bind(next(self._clients))
        client.connect(destination)
        return client


def half_close(worker: Worker) -> list[socket.socket]:
    """FIN_WAIT2 and CLOSE_WAIT; the second end has read the FIN, and sends an ACK that would otherwise be delayed."""
    first, second = worker.connection()
    first.shutdown(socket.SHUT_WR)
    assert second.recv(1) == b""
    second.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    return [first, second]


def established(worker: Worker) -> list[socket.socket]:
    return [*worker.connection()]


def fin_wait2(worker: Worker) -> list[socket.socket]:
    first, second = half_close(worker)
    _abort(second)
    return [first]


def close_wait(worker: Worker) -> list[socket.socket]:
    first, second = half_close(worker)
    _abort(first)
    return [second]


def time_wait(worker: Worker) -> list[socket.socket]:
    """The kernel keeps the first end for a minute; the process has neither."""
    first, second = worker.connection()
    first.close()
    assert second.recv(1) == b""
    second.close()
    return []


def fin_wait1(worker: Worker) -> list[socket.socket]:
    """Its peer is silent, so a timer runs, until the kernel gives up after a quarter of an hour."""
    first = worker.dialled(next(worker.silent))
    first.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, _REPAIRED)
    first.shutdown(socket.SHUT_WR)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)  # or it would outlive the worker
    return [first]


def remote_port(worker: Worker) -> list[socket.socket]:
    """ESTABLISHED, to a port that no other socket of the population is connected to."""
    return [worker.dialled(next(worker.scanned))]


def destination(worker: Worker) -> list[socket.socket]:
    """ESTABLISHED, to an address that no other socket of the population is connected to."""
    return [worker.dialled(next(worker.destinations))]


def _abort(one: socket.socket) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    one.close()


KINDS: dict[str, Callable[[Worker], list[socket.socket]]] = {
    kind.__name__: kind
    for kind in (established, half_close, fin_wait1, fin_wait2, close_wait, time_wait, remote_port, destination)
}
"""What is made: the function answers with the sockets that are to be kept."""


def main() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    worker = None
    kept: list[socket.socket] = []
    for order in sys.stdin:
        signal.alarm(_DEADLINE)
        # Not before somebody waits for the answer: who fails then is missed.
        worker = worker or Worker(*map(int, sys.argv[1:]))
        kind, count = order.split()
        for _ in range(int(count)):
            kept += KINDS[kind](worker)
        signal.alarm(0)
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
