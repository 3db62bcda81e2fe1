"""The laboratory makes what it says: ss is asked about each recipe."""

import errno
import os
import socket
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from exporter.tcp.states import State
from tests.lab import netns
from tests.lab.netns import Namespace, Pair
from tests.lab.population import Population
from tests.lab.recipes import FAMILIES, QUEUED, RECIPES, Family, bound
from tests.lab.witness import by_state, rows

ROOT = Path(__file__).parent.parent.parent

HELD, NOBODYS = True, False

DETAILS: dict[str, tuple[str, bool, int]] = {
    "listening": ("", HELD, 0),
    "listening_with_a_queue": ("", HELD, QUEUED),
    "established_client": ("", HELD, 0),
    "established_server": ("", HELD, 0),
    "established_unaccepted": ("", NOBODYS, 0),
    "syn_sent": ("on", HELD, 0),
    "syn_recv": ("on", NOBODYS, 0),
    "syn_recv_without_last_ack": ("on", NOBODYS, 0),
    "fin_wait1_held": ("on", HELD, 0),
    "fin_wait1_orphan": ("on", NOBODYS, 0),
    "fin_wait2_held": ("", HELD, 0),
    "fin_wait2_held_with_keepalive": ("keepalive", HELD, 0),
    "fin_wait2_mini": ("timewait", NOBODYS, 0),
    "fin_wait2_full_orphan": ("keepalive", NOBODYS, 0),
    "time_wait_client": ("timewait", NOBODYS, 0),
    "time_wait_server": ("timewait", NOBODYS, 0),
    "close_wait_held": ("", HELD, 1),
    "close_wait_unaccepted": ("", NOBODYS, len("unread") + 1),
    "close_wait_unread": ("", HELD, len("unread") + 1),
    "close_wait_read": ("", HELD, 0),
    "last_ack_held": ("on", HELD, 1),
    "last_ack_orphan": ("on", NOBODYS, 1),
    "closing_held": ("on", HELD, 1),
    "closing_orphan": ("on", NOBODYS, 1),
    "bound": ("", HELD, 0),
}
"""By recipe, what tells the variants of a state apart: the timer, whether a process holds the socket, and what is in
its receive queue."""

kernel = pytest.mark.kernel


@kernel
@pytest.mark.parametrize(("name", "family"), list(product(RECIPES, FAMILIES)))
def test_a_recipe_makes_exactly_so_many_sockets_of_its_kind(name: str, family: Family, pair: Pair) -> None:
    with RECIPES[name](pair, family, 3) as scene:
        found = [row for row in rows(scene.place) if row.state is scene.state]

        assert len(found) == scene.count
        assert {(row.timer, row.inode != 0, row.receive_queue) for row in found} <= {DETAILS[name]}
        assert all(scene.port in (row.local_port, row.remote_port) or scene.state is State.LISTEN for row in found)


@kernel
@pytest.mark.parametrize("family", FAMILIES)
def test_a_socket_that_is_only_bound_has_its_port_and_is_not_seen(family: Family, pair: Pair) -> None:
    with bound(pair, family, 3) as scene, scene.place.entered():
        for port in range(scene.port, scene.port + 3):
            with socket.socket() as another, pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)):
                another.bind(("", port))
        assert rows(scene.place) == []


@kernel
def test_the_sockets_are_gone_after_the_scene(pair: Pair) -> None:
    with RECIPES["close_wait_held"](pair, "4", 3):
        pass

    assert by_state(pair.b)[State.CLOSE_WAIT] == 0


@kernel
def test_a_namespace_is_entered_for_new_sockets_only(host: Namespace) -> None:
    """A socket made inside stays there, and one made afterwards is outside again."""
    with host.entered():
        inside = socket.create_server(("127.0.0.1", 0))
    port = inside.getsockname()[1]

    with inside, socket.create_server(("127.0.0.1", 0)):
        assert [(row.state, row.local_port) for row in rows(host)] == [(State.LISTEN, port)]


@kernel
def test_a_namespace_is_left_and_deleted_when_the_test_inside_fails() -> None:
    own = Path("/proc/thread-self/ns/net").readlink()
    with pytest.raises(ZeroDivisionError), netns.namespace() as made, made.entered():
        _ = 1 // 0

    assert Path("/proc/thread-self/ns/net").readlink() == own
    assert not (Path("/run/netns") / made.name).exists()


@kernel
def test_dropped_packets_come_in_again_after_the_flush(host: Namespace) -> None:
    with host.entered():
        server = socket.create_server(("127.0.0.1", 0))
        impatient, patient = socket.socket(), socket.socket()
    with server, impatient, patient:
        host.drop_input("meta l4proto tcp")
        impatient.settimeout(0.05)
        with pytest.raises(TimeoutError):
            impatient.connect(server.getsockname())

        host.flush_input()
        patient.settimeout(5)
        patient.connect(server.getsockname())


@kernel
@pytest.mark.parametrize(("fin_wait2", "close_wait"), [(30, 30), (30, 20), (0, 30)])
def test_a_population_has_exactly_so_many_sockets_of_each_state(
    fin_wait2: int, close_wait: int, host: Namespace
) -> None:
    held = {State.FIN_WAIT1: 50, State.FIN_WAIT2: fin_wait2, State.CLOSE_WAIT: close_wait}
    expected = {State.ESTABLISHED: 200, State.TIME_WAIT: 101, **held}

    with Population(
        host, established=200, time_wait=101, fin_wait1=50, fin_wait2=fin_wait2, close_wait=close_wait
    ) as population:
        found = rows(host)
        assert by_state(host) == population.sockets
        assert population.sockets == expected | {State.LISTEN: population.sockets[State.LISTEN]}
        for state in (State.ESTABLISHED, State.TIME_WAIT):
            assert len({row.local_port for row in found if row.state is state and row.local_port < 10000}) > 4


@kernel
@pytest.mark.parametrize(("kind", "ports"), [("remote_ports", 1001), ("destinations", 1)])
def test_clients_without_a_peer_are_connected_to_somewhere_else_each(kind: str, ports: int, host: Namespace) -> None:
    with Population(host, **{kind: 1001}) as population:
        peers = [line.split()[3] for line in host.run("ss", "-tanH", "state", "established").splitlines()]

        assert len(peers) == len(set(peers)) == 1001
        assert len({peer.rpartition(":")[2] for peer in peers}) == ports
        assert by_state(host) == population.sockets
    assert by_state(host) == {}


@kernel
def test_a_population_in_fin_wait1_has_timers_running_and_is_gone_with_it(host: Namespace) -> None:
    with Population(host, fin_wait1=50) as population:
        timers = [row.timer for row in rows(host) if row.state is State.FIN_WAIT1]

        assert timers == ["persist"] * 50
        assert by_state(host) == population.sockets
    assert by_state(host) == {}


@kernel
def test_a_population_is_made_beside_what_is_there(host: Namespace) -> None:
    with host.entered(), socket.create_server(("127.0.0.1", 0)), Population(host, established=20) as population:
        assert by_state(host) == population.sockets + Counter({State.LISTEN: 1})


@kernel
def test_time_wait_that_is_over_is_made_anew(host: Namespace) -> None:
    """Ended by ss -K, which can do so on Linux 6.1, and not on 5.10."""
    with Population(host, time_wait=100) as population:
        host.run("ss", "-K", "-tanH", "state", "time-wait", "( sport = :7000 )")
        lost = 100 - by_state(host)[State.TIME_WAIT]

        assert lost > 0
        assert population.top_up_time_wait() == lost
        assert by_state(host) == population.sockets


@kernel
def test_no_process_outlives_a_population(host: Namespace) -> None:
    with Population(host, established=20):
        workers = subprocess.check_output(["ip", "netns", "pids", host.name], text=True).split()

    assert len(workers) > 1
    assert subprocess.check_output(["ip", "netns", "pids", host.name], text=True) == ""


@kernel
def test_a_population_fails_at_once_where_a_worker_cannot_work(
    host: Namespace, capfd: pytest.CaptureFixture[str]
) -> None:
    """Here: somebody else has the port."""
    with (
        host.entered(),
        socket.create_server(("127.0.0.1", 7000)),
        pytest.raises(RuntimeError, match="established"),
        Population(host, established=20),
    ):
        pass

    assert os.strerror(errno.EADDRINUSE) in capfd.readouterr().err


def test_established_sockets_of_a_population_are_pairs() -> None:
    with pytest.raises(ValueError, match="not 3"):
        Population(Namespace("none"), established=3)


def test_what_is_missing_for_the_laboratory_is_named(tmp_path: Path) -> None:
    """Here: everything but one program."""
    (tmp_path / "ss").touch(mode=0o755)

    assert netns.lacking(uid=1000, path=str(tmp_path)) == ["root", "ip", "nft", "nsenter"]


def test_without_the_programs_kernel_tests_fail_rather_than_be_skipped(tmp_path: Path) -> None:
    one = f"{__file__}::{test_a_namespace_is_entered_for_new_sockets_only.__name__}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", one]
    done = subprocess.run(
        command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )

    assert done.returncode == 1
    assert "missing: " in done.stdout
    assert "skipped" not in done.stdout
