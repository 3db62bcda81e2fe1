import math
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.errors import StartError
from exporter.server import systemd
from exporter.server.systemd import Service

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


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of who wants to be told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.setblocking(False)
        yield bound


def told(manager: socket.socket) -> list[str]:
    """What has been told since it was last asked."""
    found = []
    while True:
        try:
            found.append(manager.recv(1 << 12).decode())
        except BlockingIOError:
            return found


@contextmanager
def service(name: str, **more: str) -> Iterator[Service]:
    """Process 42, whose manager is told at *name*."""
    one = Service({"NOTIFY_SOCKET": name, **more}, pid=42)
    try:
        yield one
    finally:
        one.stopping()


def test_the_life_of_a_service_is_told_and_nothing_after_its_end(manager: socket.socket) -> None:
    with service(manager.getsockname()) as one:
        one.ready()
    one.ready()

    assert told(manager) == ["READY=1", "STOPPING=1"]


def test_a_load_of_the_configuration_is_told_with_its_time_and_its_end_also_when_it_fails(
    manager: socket.socket,
) -> None:
    begun = time.monotonic_ns() // 1000
    with service(manager.getsockname()) as one:
        one.ready()
        with pytest.raises(ZeroDivisionError), one.reloading():
            raise ZeroDivisionError
    _, reloading, ready, _ = told(manager)

    first, _, at = reloading.partition("\nMONOTONIC_USEC=")
    assert (first, ready) == ("RELOADING=1", "READY=1")
    assert begun <= int(at) <= time.monotonic_ns() // 1000


def test_a_load_before_the_service_is_up_is_not_told_lest_its_end_be_taken_for_the_start(
    manager: socket.socket,
) -> None:
    with service(manager.getsockname()) as one, one.reloading():
        assert told(manager) == []

    assert told(manager) == ["STOPPING=1"]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, math.inf),
        ({"WATCHDOG_USEC": "0"}, math.inf),
        ({"WATCHDOG_USEC": "soon"}, math.inf),
        ({}, math.inf),
    ],
)
def test_signs_of_life_are_given_to_who_waits_for_them(
    manager: socket.socket, environment: dict[str, str], seconds: float
) -> None:
    with service(manager.getsockname(), **environment) as one:
        one.alive()

        assert one.watchdog_seconds == seconds
        assert told(manager) == ["WATCHDOG=1"] * math.isfinite(seconds)


def test_nobody_is_told_where_nobody_has_asked(caplog: pytest.LogCaptureFixture) -> None:
    with service("", WATCHDOG_USEC="1") as one:
        one.ready()
        with one.reloading():
            one.alive()

    assert caplog.text == ""


def test_a_manager_that_is_gone_is_a_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with service(str(tmp_path / "gone")) as one:
        one.ready()

    assert "systemd cannot be told READY=1: No such file or directory" in caplog.text


@pytest.mark.parametrize("name", ["vsock:2:1234", "relative"])
def test_a_manager_of_another_kind_is_a_line_in_the_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with service(name) as one:
        one.ready()

    assert [record.getMessage() for record in caplog.records] == [
        f"NOTIFY_SOCKET: expected a path or @ and a name, found '{name}'; systemd is told nothing"
    ]


def test_a_manager_that_does_not_listen_is_not_waited_for(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(systemd, "SEND_SECONDS", 0.05)
    longest = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    with service(manager.getsockname()) as one:
        for _ in range(longest + 2):
            if not caplog.text:
                one.ready()

    assert "systemd cannot be told READY=1: timed out" in caplog.text
