"""Makes sockets in the network namespace that it runs in, and holds them until its input ends.

    python -m tests.bench.worker ADDRESS PORTS ESTABLISHED FIN_WAIT2 TIME_WAIT

The worker listens on PORTS ports of ADDRESS; the other numbers are of connections, both of whose ends are here. One
that its client has half closed is a FIN_WAIT2 and a CLOSE_WAIT; one that both have closed leaves a TIME_WAIT at the
end that was first.
"""

import resource
import socket
import sys
from collections.abc import Iterator
from itertools import cycle

Pair = tuple[socket.socket, socket.socket]


def connections(address: str, ports: range) -> Iterator[Pair]:
    """Connections to one port after the other: client and server."""
    listening = [socket.create_server((address, port)) for port in ports]
    for server in cycle(listening):
        client = socket.create_connection(server.getsockname())
        yield client, server.accept()[0]


def main() -> None:
    ports, established, fin_wait2, time_wait = map(int, sys.argv[2:])
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    made = connections(sys.argv[1], range(7000, 7000 + ports))
    held = [next(made) for _ in range(established)]
    for _ in range(fin_wait2):
        held.append(next(made))
        held[-1][0].shutdown(socket.SHUT_WR)
    for first in (number % 2 for number in range(time_wait)):
        pair = next(made)
        pair[first].close()
        pair[1 - first].close()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
