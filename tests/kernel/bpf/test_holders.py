"""Who has sockets, and who is where, told by iterators: of real processes."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from exporter.kernel.bpf.holders import BpfHolders
from tests.lab.daemon import ROOT
from tests.lab.leaks import leak
from tests.lab.netns import Namespace, Pair
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

LEAKED = 20


@pytest.fixture(scope="module")
def holders() -> Iterator[BpfHolders]:
    made = BpfHolders()
    yield made
    made.close()


def number(place: Namespace) -> int:
    return Path("/run/netns", place.name).stat().st_ino


def inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def descriptors() -> set[str]:
    return {file.name for file in Path("/proc/self/fd").iterdir()}


def over(holders: BpfHolders, place: Namespace) -> dict[int, int]:
    """Sockets of the namespace that are over and held, by process."""
    found = [row.pid for row in holders.held() if row.is_over and row.netns == number(place)]
    return {pid: found.count(pid) for pid in found}


def test_a_socket_is_told_with_its_process_and_namespace(holders: BpfHolders, host: Namespace) -> None:
    with host.entered(), socket.create_server(("127.0.0.1", 0)) as listening:
        found = [row for row in holders.held([inode(listening)]) if row.inode == inode(listening)]

    assert [(row.pid, row.netns, row.is_over) for row in found] == [(os.getpid(), number(host), False)]


def test_a_socket_is_told_with_all_processes_that_have_it(holders: BpfHolders) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        subprocess.Popen(["sleep", "60"], pass_fds=[listening.fileno()]) as child,
    ):
        try:
            found = {row.pid for row in holders.held([inode(listening)]) if row.inode == inode(listening)}
        finally:
            child.kill()

    assert found == {os.getpid(), child.pid}


def test_what_is_no_tcp_socket_or_not_asked_for_is_not_told(holders: BpfHolders) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        socket.socket() as unconnected,
    ):
        asked = {inode(listening), inode(other)}
        found = {row.inode for row in holders.held(asked)}

        assert found & {inode(one) for one in (listening, other, unconnected)} == {inode(listening)}
        assert holders.held() == [row for row in holders.held() if row.is_over]


def test_mptcp_connections_are_told_by_their_own_inode(holders: BpfHolders) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        assert os.getpid() in {row.pid for row in holders.held([inode(listening)])}


def test_sockets_that_are_over_and_held_are_told_by_process_in_any_namespace(
    holders: BpfHolders, host: Namespace
) -> None:
    with (
        leak(host, "server", "serve", 7000) as server,
        leak(host, "client", "dial", 7000, LEAKED) as client,
    ):
        assert over(holders, host) == {}

        server.end()
        # What is left of the connection is a mini-socket, of which the process knows nothing.
        wait_for(lambda: over(holders, host) == {client.process.pid: LEAKED}, "they are told")

        client.order("")
        assert over(holders, host) == {}


def test_each_process_is_told_in_its_namespace_and_threads_that_are_elsewhere_there(
    holders: BpfHolders, pair: Pair
) -> None:
    entered, done = threading.Event(), threading.Event()

    def stay() -> None:
        with pair.b.entered():
            entered.set()
            done.wait(60)

    thread = threading.Thread(target=stay)
    with subprocess.Popen(pair.a.command("sleep", "60")) as elsewhere:
        thread.start()
        try:
            entered.wait(60)
            wait_for(lambda: number(pair.a) in holders.members(), "the process is there")
            found = holders.members()
        finally:
            done.set()
            elsewhere.kill()
            thread.join()

    assert found[number(pair.a)] == [elsewhere.pid]
    assert found[number(pair.b)] == [os.getpid()]
    assert os.getpid() in found[Path("/proc/self/ns/net").stat().st_ino]


_INSIDE = """
import os, socket
from exporter.kernel.bpf.holders import BpfHolders
with socket.create_server(("127.0.0.1", 0)) as listening:
    holders = BpfHolders()
    inode = os.fstat(listening.fileno()).st_ino
    print(*(row.pid for row in holders.held([inode]) if row.inode == inode))
    print(*sorted({pid for pids in holders.members().values() for pid in pids}))
"""


def within(command: Sequence[str], script: str) -> list[str]:
    arguments = [*command, sys.executable, "-c", script]
    return subprocess.run(
        arguments, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()


def test_in_a_pid_namespace_processes_have_its_numbers_and_no_others_are_told() -> None:
    pids, everybody = within(["unshare", "--pid", "--fork", "--mount-proc"], _INSIDE)

    assert pids == "1"
    assert everybody == "1"


_WITHOUT = """
import os, socket
from pathlib import Path
from exporter.kernel import privileges
from exporter.kernel.bpf.holders import BpfHolders
with socket.create_server(("127.0.0.1", 0)) as listening:
    holders = BpfHolders()
    holders.prepare()
    assert privileges.drop([]).effective == 0
    inode = os.fstat(listening.fileno()).st_ino
    for _ in range(3):
        print(*(row.pid == os.getpid() for row in holders.held([inode]) if row.inode == inode))
    print(len({pid for pids in holders.members().values() for pid in pids}) > 1)
"""


def test_iterators_that_are_loaded_need_no_privilege() -> None:
    assert within([], _WITHOUT) == ["True"] * 4


def test_close_leaves_no_descriptor() -> None:
    before = descriptors()
    holders = BpfHolders()
    holders.held()
    holders.members()

    holders.close()

    assert descriptors() == before
