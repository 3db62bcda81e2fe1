"""Holds half-closed connections on loopback for as long as a command runs, beside it in the same sandbox.

    python -m tests.lab.half_closed COUNT PORT,PORT,... COMMAND [ARGUMENT ...]

Listens on every PORT; of COUNT connections to the first, both ends are held: one in FIN_WAIT2, one in CLOSE_WAIT.
"""

import socket
import subprocess
import sys


def main(count: str, ports: str, *command: str) -> int:
    listening = [socket.create_server(("127.0.0.1", int(port))) for port in ports.split(",")]
    ends = []
    for _ in range(int(count)):
        client = socket.create_connection(listening[0].getsockname())
        ends.append((client, listening[0].accept()[0]))
        client.shutdown(socket.SHUT_WR)
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
