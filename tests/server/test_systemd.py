import os
import socket
from pathlib import Path

import pytest

from exporter.errors import StartError
from exporter.server import systemd

LISTENING = "is no TCP socket that listens"


def child(passed: socket.socket) -> int:
    """Exit code of a process to which the socket is passed: 0 if it takes that, 1 if it refuses as it should.

    Passed sockets start at descriptor 3, which only a process of its own can be sure to have free.
    """
    number = os.fork()
    if number == 0:
        os.dup2(passed.fileno(), 3)
        try:
            [one] = systemd.passed({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
            os._exit(0 if one.getsockname() == passed.getsockname() else 2)
        except StartError as error:
            os._exit(1 if LISTENING in str(error) else 3)
        finally:
            os._exit(4)
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_sockets_that_systemd_passes_are_used(family: socket.AddressFamily, address: str) -> None:
    with socket.create_server((address, 0), family=family) as listening:
        assert child(listening) == 0


def test_what_accepts_no_connections_over_tcp_is_refused(tmp_path: Path) -> None:
    with (
        socket.socket() as silent,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as local,
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as connected,
    ):
        local.bind(str(tmp_path / "local"))
        local.listen()
        assert [child(one) for one in (silent, datagrams, local, connected)] == [1, 1, 1, 1]


def test_a_file_is_refused(tmp_path: Path) -> None:
    number = os.fork()
    if number == 0:
        os.dup2(os.open(tmp_path, os.O_RDONLY), 3)
        try:
            systemd.passed({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
        except StartError as error:
            os._exit(0 if "descriptor 3 is no socket" in str(error) else 1)
        finally:
            os._exit(2)

    assert os.waitpid(number, 0)[1] == 0


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "systemd has passed no socket"),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, "systemd has passed no socket"),
        ({"LISTEN_PID": "42", "LISTEN_FDS": "0"}, "found '0'"),
        ({"LISTEN_PID": "42", "LISTEN_FDS": "many"}, "found 'many'"),
        ({"LISTEN_PID": "42", "LISTEN_FDS": "²"}, "found '²'"),
        ({"LISTEN_PID": "42", "LISTEN_FDS": "9" * 5000}, "found '99999999999999999999'"),
        ({"LISTEN_PID": "42"}, "found ''"),
    ],
)
def test_what_systemd_did_not_pass_is_an_error(environment: dict[str, str], expected: str) -> None:
    with pytest.raises(StartError, match=expected):
        systemd.passed(environment, pid=42)
