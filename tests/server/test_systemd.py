import os
import socket

import pytest

from exporter.errors import StartError
from exporter.server import systemd


def test_the_sockets_that_systemd_passes_are_used() -> None:
    """They start at descriptor 3, which only a process of its own can be sure to have free."""
    listening = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        os.dup2(listening.fileno(), 3)
        [one] = systemd.passed({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
        os._exit(0 if one.getsockname() == listening.getsockname() else 1)
    listening.close()

    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "systemd has passed no socket"),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, "systemd has passed no socket"),
        ({"LISTEN_PID": "42", "LISTEN_FDS": "0"}, "found '0'"),
        ({"LISTEN_PID": "42", "LISTEN_FDS": "many"}, "found 'many'"),
        ({"LISTEN_PID": "42"}, "found ''"),
    ],
)
def test_what_systemd_did_not_pass_is_an_error(environment: dict[str, str], expected: str) -> None:
    with pytest.raises(StartError, match=expected):
        systemd.passed(environment, pid=42)
