"""Servers that others have written, and one that has no descriptor left, as the exporter judges them."""

import errno
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.answers import counted, for_a_while, stuck, stuck_list, told
from tests.lab.cgroups import Cgroup
from tests.lab.daemon import STUCK_AFTER, UNHURRIED_AFTER, Process, exporter
from tests.lab.netns import Namespace
from tests.lab.programs import program
from tests.lab.servers import Postgres, haproxy, postgres
from tests.lab.witness import wait_for, wait_for_value

pytestmark = pytest.mark.kernel

SECONDS = 20
"""At most, until sockets are seen, or stuck."""
POSTGRES = 5432


LIMIT = 64
LEFT = 100
FULL = """
import resource
call("server")
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
listening = listen("127.0.0.1", 8080)
say("ready")
kept = []
try:
    while True:
        kept.append(listening.accept()[0])
except OSError as error:
    say(error.errno)
wait()
say(len(kept))
wait()
kept.clear()
say("closed")
serve(listening)
"""
LEAVE = """
for _ in range(int(sys.argv[1]) // 2):
    leave("127.0.0.1", 1)
    socket.create_connection(("127.0.0.1", 8080)).close()
say("left")
"""


def waiting(running: Process) -> dict[str, float]:
    """Stuck sockets on port 8080 by what they wait for."""
    return {
        word: counted(running, "tcpstate_close_wait_sockets", port=8080, waits_for=word)
        for word in ("accept", "read", "transfer", "close")
    }


def test_a_server_without_a_descriptor_left_holds_some_and_does_not_accept_the_others(
    host: Namespace, tmp_path: Path, quick: str
) -> None:
    with (
        program(host, FULL, LIMIT) as server,
        program(host, LEAVE, LEFT),
        exporter(host, tmp_path / "log", quick) as running,
    ):
        assert server.said() == str(errno.EMFILE)
        held = int(server.go_on())
        assert len([*Path(f"/proc/{server.pid}/fd").iterdir()]) == LIMIT
        wait_for(lambda: stuck(running, port=8080, state="close_wait") == LEFT, "all are stuck", SECONDS)
        wait_for(lambda: {one["pid"] for one in stuck_list(running)} == {server.pid}, "the server is named", SECONDS)

        assert waiting(running) == {"accept": LEFT - held, "read": held / 2, "transfer": 0, "close": held / 2}
        assert counted(running, "tcpstate_accept_queue_sockets", port=8080) == LEFT - held
        assert counted(running, "tcpstate_oldest_unaccepted_age_seconds", port=8080) >= STUCK_AFTER
        assert counted(running, "tcpstate_holder_open_descriptors", process="server") == LIMIT
        assert counted(running, "tcpstate_holder_descriptor_limit", process="server") == LIMIT
        assert f"has {LIMIT} of {LIMIT} descriptors open (pid {server.pid})." in running.ask("/").body

        assert server.go_on() == "closed"
        wait_for(lambda: stuck(running) == 0, "nothing is stuck once it goes on", SECONDS)
        assert stuck_list(running) == []


def established(running: Process) -> float:
    return counted(running, "tcpstate_sockets", role="server", port=POSTGRES, state="established")


def test_of_clients_that_are_killed_postgresql_itself_closes_what_they_leave(
    host: Namespace, tmp_path: Path, quick: str
) -> None:
    with postgres(host) as server, exporter(host, tmp_path / "log", quick) as running, ExitStack() as clients:
        killed = [clients.enter_context(server.client()) for _ in range(20)]
        wait_for(lambda: established(running) == len(killed), "they are connected", SECONDS)

        for client in killed:
            client.kill()
        wait_for(lambda: established(running) == 0, "they are gone", SECONDS)
        for _ in for_a_while(2 * STUCK_AFTER):
            assert stuck(running) == 0
        assert counted(running, "tcpstate_sockets", state="close_wait") == 0
        assert stuck_list(running) == []


SLEEP = 15
SLEEPER = "select pid from pg_stat_activity where wait_event = 'PgSleep'"


def test_what_a_killed_client_leaves_to_a_query_that_sleeps_is_stuck_until_it_wakes(
    host: Namespace, tmp_path: Path, quick: str, web: Cgroup
) -> None:
    with postgres(host, web.within()) as server, exporter(host, tmp_path / "log", quick) as running:
        begun = time.monotonic()
        with server.client("--command", f"select pg_sleep({SLEEP})") as client:
            backend = sleeping(server)
            client.kill()
            wait_for(lambda: [one["pid"] for one in stuck_list(running)] == [backend], "the backend is named", SLEEP)
            [one] = stuck_list(running)
            assert server.query(SLEEPER) == str(backend)

        assert (one["role"], one["port"], one["state"]) == ("server", POSTGRES, "close_wait")
        assert (one["cgroup"], one["process"], one["waits_for"]) == (web.path, "postgres", "close")
        wait_for(lambda: stuck(running) == 0, "it is gone", SLEEP + SECONDS)
        assert time.monotonic() - begun >= SLEEP
        assert stuck_list(running) == []


def sleeping(server: Postgres) -> int:
    """The process that sleeps, once there is one."""
    wait_for(lambda: server.query(SLEEPER) != "", "a query sleeps", SECONDS)
    return int(server.query(SLEEPER))


ORIGIN, TCP, HTTP = 9000, 8080, 8081
PROXY = f"""
defaults
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen tcp
  mode tcp
  bind 127.0.0.1:{TCP}
  server origin 127.0.0.1:{ORIGIN}
listen http
  mode http
  bind 127.0.0.1:{HTTP}
  server origin 127.0.0.1:{ORIGIN}
"""
EVENTS = """
import threading
call("origin")
listening = listen("127.0.0.1", int(sys.argv[1]))
stopped = threading.Event()
kept = []
def stream(to):
    kept.append(to)
    to.recv(4096)
    to.send(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n")
    while not stopped.wait(0.3):
        to.send(b"data: something has happened\\n\\n")
def accept():
    while True:
        threading.Thread(target=stream, args=(listening.accept()[0],), daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
say("ready")
wait()
stopped.set()
say("stopped")
wait()
"""
LISTENER = """
call("listener")
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
one.send(b"GET /events HTTP/1.1\\r\\nHost: origin\\r\\nAccept: text/event-stream\\r\\n\\r\\n")
one.recv(4096)
one.shutdown(socket.SHUT_WR)
say("listening")
while one.recv(4096):
    pass
"""
"""An end that comes together with the request haproxy passes on in mode http as well; one that comes later it keeps."""
HALF_CLOSED = {
    ("fin_wait2", "client", TCP, "listener"),
    ("close_wait", "server", TCP, "haproxy"),
    ("fin_wait2", "client", ORIGIN, "haproxy"),
    ("close_wait", "server", ORIGIN, "origin"),
    ("fin_wait2", "client", HTTP, "listener"),
    ("close_wait", "server", HTTP, "haproxy"),
}
"""State, role, port and process; in mode http the proxy keeps its own request open."""
EACH = Counter((state, role, port) for state, role, port, _ in HALF_CLOSED)


def moving(running: Process) -> Counter[tuple[str, str, int]]:
    """Half-closed sockets on which data moves, by state, role and port."""
    found: Counter[tuple[str, str, int]] = Counter()
    for state, how in (("fin_wait2", "ends_by"), ("close_wait", "waits_for")):
        for one in told(running, f"tcpstate_{state}_sockets"):
            if one.labels[how] == "transfer" and one.value:
                port = one.labels["port"]
                found[state, one.labels["role"], 0 if port == "other" else int(port)] += int(one.value)
    return found


def of_stuck(running: Process) -> Counter[tuple[str, str, int]]:
    """Stuck ones, likewise."""
    return Counter((one["state"], one["role"], one["port"]) for one in stuck_list(running))


def test_events_streamed_through_a_proxy_to_who_has_ended_its_half_are_stuck_only_once_they_stop(
    host: Namespace, tmp_path: Path, unhurried: str
) -> None:
    """That a stream has stopped is noticed within half a minute."""
    with (
        program(host, EVENTS, ORIGIN) as origin,
        haproxy(host, PROXY, tmp_path, HTTP),
        program(host, LISTENER, TCP),
        program(host, LISTENER, HTTP),
        exporter(host, tmp_path / "log", unhurried) as running,
    ):
        wait_for_value(lambda: moving(running), EACH, "all are old, and data moves", SECONDS)
        for _ in for_a_while(UNHURRIED_AFTER):
            assert of_stuck(running) == Counter()
            assert moving(running) == EACH

        origin.go_on()
        wait_for_value(lambda: of_stuck(running), EACH, "all are stuck", 60)
        assert moving(running) == Counter()
        wait_for_value(lambda: held(running), HALF_CLOSED, "all are named", SECONDS)
        assert {one["ends_by"] or one["waits_for"] for one in stuck_list(running)} == {"nothing", "close"}


def held(running: Process) -> set[tuple[str, str, int, str]]:
    """State, role, port and process of what is stuck."""
    return {(one["state"], one["role"], one["port"], one["process"]) for one in stuck_list(running)}
