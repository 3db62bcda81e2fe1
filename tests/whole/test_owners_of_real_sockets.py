"""Who is named for stuck sockets: processes that do to them what processes do, and what the exporter makes of it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.answers import counted, for_a_while, stuck_list, told
from tests.lab.cgroups import Cgroup, cgroup, version_1
from tests.lab.daemon import WITHOUT_CAPABILITIES, Process, exporter
from tests.lab.leaks import leak
from tests.lab.netns import Namespace
from tests.lab.programs import program
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

STUCK_SECONDS = 40
"""At most, until sockets are stuck and their owners named: a search that came too early is repeated after 15 s."""
CHECK_SECONDS = 30
"""At most, until it is noticed that they have another holder."""

Owner = tuple[str | None, str | None, int | None]
"""Cgroup, process and its number."""


@pytest.fixture
def opener() -> Iterator[Cgroup]:
    with cgroup(f"opener-{os.getpid()}.service") as made:
        yield made


def owners(running: Process, **fields: object) -> dict[Owner, int]:
    """Stuck sockets by owner: those that have these *fields*."""
    found: dict[Owner, int] = {}
    for one in stuck_list(running):
        if fields.items() <= one.items():
            owner = one["cgroup"], one["process"], one["pid"]
            found[owner] = found.get(owner, 0) + 1
    return found


def named(running: Process, **fields: object) -> dict[tuple[str | None, int | None], int]:
    """Without the cgroup."""
    return {(process, pid): sockets for (_, process, pid), sockets in owners(running, **fields).items()}


def soon_named(
    running: Process, expected: dict[tuple[str | None, int | None], int], seconds: float = STUCK_SECONDS
) -> None:
    """Wait until these processes are named; 'several' or no process may be so before, but nobody else."""
    allowed = {process for process, _ in expected} | {None, "several"}

    def is_so() -> bool:
        found = named(running)
        assert {process for process, _ in found} <= allowed, found
        return found == expected

    wait_for(is_so, f"{expected} are named", seconds)


LISTEN = """
call(sys.argv[1])
listening = listen(sys.argv[2], 8080)
say("ready")
serve(listening) if sys.argv[1] == "healthy" else wait()
"""


@pytest.mark.parametrize("order", [("healthy", "hung"), ("hung", "healthy")])
def test_of_two_services_on_one_port_the_one_that_hangs_is_named(
    host: Namespace, tmp_path: Path, quick: str, order: tuple[str, str]
) -> None:
    addresses = {"healthy": "127.0.0.1", "hung": "127.0.0.2"}
    with (
        program(host, LISTEN, order[0], addresses[order[0]]) as first,
        program(host, LISTEN, order[1], addresses[order[1]]) as second,
        program(host, "leave('127.0.0.2', 7); say('ready'); wait()"),
        exporter(host, tmp_path / "log", quick) as running,
    ):
        hung = first if order[0] == "hung" else second
        soon_named(running, {("hung", hung.pid): 7})


DUAL = """
call(sys.argv[1])
if sys.argv[2] == "4":
    listening = listen("0.0.0.0", 8080)
else:
    listening = listen("::", 8080, socket.AF_INET6, IPV6_V6ONLY=1)
say("ready")
serve(listening) if sys.argv[1] == "healthy" else wait()
"""


@pytest.mark.parametrize("order", [("4", "6"), ("6", "4")])
@pytest.mark.parametrize(("family", "address"), [("4", "127.0.0.1"), ("6", "::1")])
def test_of_two_services_of_two_families_the_one_that_hangs_is_named(  # noqa: PLR0913 - a table
    host: Namespace, tmp_path: Path, quick: str, *, order: tuple[str, str], family: str, address: str
) -> None:
    names = {one: "hung" if one == family else "healthy" for one in order}
    with (
        program(host, DUAL, names[order[0]], order[0]) as first,
        program(host, DUAL, names[order[1]], order[1]) as second,
        program(host, f"leave('{address}', 7); say('ready'); wait()"),
        exporter(host, tmp_path / "log", quick) as running,
    ):
        soon_named(running, {("hung", (first if order[0] == family else second).pid): 7})


def test_ipv4_that_nobody_accepts_at_a_listener_of_both_families_is_its_own(
    host: Namespace, tmp_path: Path, quick: str
) -> None:
    options = "socket.AF_INET6, IPV6_V6ONLY=0, SO_REUSEPORT=1"
    with (
        program(host, f"call('hung'); listening = listen('::', 8080, {options}); say('ready'); wait()") as hung,
        program(host, LISTEN.replace("8080", "8080, SO_REUSEPORT=1"), "healthy", "127.0.0.2"),
        program(host, "leave('127.0.0.1', 7); say('ready'); wait()"),
        exporter(host, tmp_path / "log", quick) as running,
    ):
        soon_named(running, {("hung", hung.pid): 7})


WORKERS = """
call("worker")
ends = []
pids = []
for number in range(4):
    pid = os.fork()
    if not pid:
        listening = listen("127.0.0.1", 8080, SO_REUSEPORT=1)
        if str(number) in sys.argv[1]:
            call(sys.argv[2 + number])
            time.sleep(600)
        serve(listening)
    pids.append(pid)
while len([line for line in open("/proc/net/tcp") if " 0A " in line]) < 4:
    time.sleep(0.01)
say("ready")
wait()
say(" ".join(map(str, pids)))
wait()
for _ in range(24):
    leave("127.0.0.1", 1)
say("left")
wait()
"""


@pytest.mark.parametrize("position", ["0", "3"])
def test_of_workers_with_a_socket_each_the_one_that_hangs_is_named(
    host: Namespace, tmp_path: Path, quick: str, position: str
) -> None:
    with (
        program(host, WORKERS, position, *(["hung"] * 4)) as workers,
        exporter(host, tmp_path / "log", quick) as running,
    ):
        pids = [*map(int, workers.go_on().split())]
        workers.go_on()
        wait_for(lambda: set(named(running)) == {("hung", pids[int(position)])}, "the worker is named", STUCK_SECONDS)


def test_where_several_workers_hang_none_is_named_alone(host: Namespace, tmp_path: Path, quick: str) -> None:
    with (
        program(host, WORKERS, "12", "x", "one", "other", "x") as workers,
        exporter(host, tmp_path / "log", quick) as running,
    ):
        workers.go_on()
        workers.go_on()
        wait_for(lambda: set(named(running)) == {("several", None)}, "several are told", STUCK_SECONDS)
        for _ in for_a_while(2):
            assert set(named(running)) == {("several", None)}


def test_workers_of_one_name_that_hang_are_told_by_it_and_none_by_number(
    host: Namespace, tmp_path: Path, quick: str
) -> None:
    with (
        program(host, WORKERS, "12", *(["hung"] * 4)) as workers,
        exporter(host, tmp_path / "log", quick) as running,
    ):
        workers.go_on()
        workers.go_on()
        wait_for(lambda: set(named(running)) == {("hung", None)}, "their name is told", STUCK_SECONDS)


INHERITED = """
call("server")
listening = listen("127.0.0.1", 8080)
kept = leak(12, listening)
pid = os.fork()
if not pid:
    call("helper")
    listening.close()
    os.close(1)
    time.sleep(600)
say(pid)
wait()
for one in kept:
    one.close()
say("closed")
wait()
"""


def test_sockets_that_a_child_has_inherited_are_both_ones_and_then_the_childs(
    host: Namespace, tmp_path: Path, quick: str
) -> None:
    with program(host, INHERITED) as server, exporter(host, tmp_path / "log", quick) as running:
        wait_for(lambda: named(running) == {("several", None): 12}, "several have them", STUCK_SECONDS)

        server.go_on()
        wait_for(lambda: set(named(running)) == {("helper", helper_of(server.pid))}, "the child", CHECK_SECONDS)


def helper_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def test_a_process_that_has_ended_is_not_named_from_the_next_sample_on(
    host: Namespace, tmp_path: Path, quick: str
) -> None:
    """Nobody waits for it, so that its number is still there."""
    code = INHERITED.replace("pid = os.fork()", "wait(); pid = os.fork()").replace("say(pid)", "os._exit(0)")
    code = code.replace("kept = leak(12, listening)", 'kept = leak(12, listening); say("ready")')
    with program(host, code) as server, exporter(host, tmp_path / "log", quick) as running:
        wait_for(lambda: named(running) == {("server", server.pid): 12}, "the server is named", STUCK_SECONDS)

        server.go_on()
        ended = counted(running, "tcpstate_samples_total")
        while True:
            samples = counted(running, "tcpstate_samples_total")
            if server.pid not in {pid for _, pid in named(running)}:
                break
            assert samples <= ended + 2, "the dead one is named"
        wait_for(lambda: {process for process, _ in named(running)} == {"helper"}, "the child is named", STUCK_SECONDS)
        assert Path(f"/proc/{server.pid}/stat").read_text().split()[2] == "Z"


def processes_of(running: Process, state: str) -> set[str]:
    """As the series of owners have them."""
    return {
        one.labels["process"]
        for one in told(running, "tcpstate_stuck_sockets_by_owner")
        if one.labels["state"] == state
    }


@pytest.mark.parametrize("is_in_cgroup", [True, False])
def test_while_a_leak_grows_its_newest_sockets_have_no_owner_of_their_own(  # noqa: PLR0913 - a table
    host: Namespace, tmp_path: Path, quick: str, web: Cgroup, opener: Cgroup, *, is_in_cgroup: bool
) -> None:
    server, client = (web.within(), opener.within()) if is_in_cgroup else ((), ())
    with (
        leak(host, "nginx", "serve", 7000, within=server),
        leak(host, "fetcher", "dial", 7000, 5, within=client) as growing,
        exporter(host, tmp_path / "log", quick) as running,
    ):
        wait_for(lambda: processes_of(running, "fin_wait2") == {"fetcher"}, "named", STUCK_SECONDS)
        wait_for(lambda: processes_of(running, "close_wait") == {"nginx"}, "named", STUCK_SECONDS)
        begun = time.monotonic()
        while time.monotonic() < begun + 12:
            growing.order("2")
            time.sleep(0.3)
            assert processes_of(running, "fin_wait2") == {"fetcher"}
            assert processes_of(running, "close_wait") == {"nginx"}

        assert sum(named(running, state="fin_wait2").values()) > 20


def test_without_privileges_a_cgroup_of_one_name_tells_it(
    host: Namespace, tmp_path: Path, quick: str, web: Cgroup, opener: Cgroup
) -> None:
    with (
        leak(host, "nginx", "serve", 7000, within=web.within()) as nginx,
        leak(host, "fetcher", "dial", 7000, 12, within=opener.within()) as fetcher,
        exporter(host, tmp_path / "log", quick, within=WITHOUT_CAPABILITIES) as running,
    ):
        expected = {(web.path, "nginx", nginx.process.pid): 12, (opener.path, "fetcher", fetcher.process.pid): 12}
        wait_for(lambda: owners(running) == expected, "both are named", STUCK_SECONDS)

        with program(host, "call('other'); say('ready'); wait()", within=web.within()):
            wait_for(lambda: (web.path, None, None) in owners(running), "nobody is named", CHECK_SECONDS)


def test_a_container_that_is_one_in_version_1_only_is_named(
    host: Namespace, tmp_path: Path, quick: str, web: Cgroup
) -> None:
    path = f"/docker/{os.urandom(32).hex()}"
    code = "join(sys.argv[1]); call('app'); kept = leak(6, listen('127.0.0.1', 8080)); say('ready'); wait()"
    with (
        version_1(path.lstrip("/"), tmp_path / "v1") as folder,
        program(host, code, folder, within=web.within()) as app,
        exporter(host, tmp_path / "log", quick) as running,
    ):
        wait_for(lambda: owners(running) == {(path, "app", app.pid): 6}, "the container is named", STUCK_SECONDS)


ACTIVATED = """
call("systemd")
listening = listen("127.0.0.1", 8080)
pid = os.fork()
if not pid:
    join(sys.argv[1])
    call("gunicorn")
    kept = leak(6, listening)
    leave("127.0.0.1", 3)
    say(os.getpid())
    time.sleep(600)
wait()
"""


@pytest.mark.parametrize("maker", ["init.scope", "gunicorn.socket", "opener.service"])
def test_a_service_that_was_given_its_listening_socket_is_named(
    host: Namespace, tmp_path: Path, quick: str, web: Cgroup, maker: str
) -> None:
    """Who has made the socket keeps it, and never accepts."""
    with (
        cgroup(f"tse-{os.getpid()}") as place,
        cgroup(f"{place.path[1:]}/{maker}") as made,
        program(host, ACTIVATED, web.folder, within=made.within()) as systemd,
        exporter(host, tmp_path / "log", quick) as running,
    ):
        service = (web.path, "gunicorn", helper_of(systemd.pid))
        wait_for(lambda: owners(running) == {service: 9}, "the service is named", STUCK_SECONDS)
        assert owners(running, waits_for="close") == {service: 6}
        assert owners(running, waits_for="accept") == {service: 3}


@pytest.mark.parametrize("maker", ["init.scope", "gunicorn.socket"])
def test_without_privileges_nobody_is_named_who_has_made_a_socket_for_others(
    host: Namespace, tmp_path: Path, quick: str, web: Cgroup, maker: str
) -> None:
    with (
        cgroup(f"tse-{os.getpid()}") as place,
        cgroup(f"{place.path[1:]}/{maker}") as made,
        program(host, ACTIVATED, web.folder, within=made.within()),
        exporter(host, tmp_path / "log", quick, within=WITHOUT_CAPABILITIES) as running,
    ):
        wait_for(lambda: sum(named(running).values()) == 9, "they are stuck", STUCK_SECONDS)
        for _ in for_a_while(2):
            assert named(running) == {(None, None): 9}


IN_A_PID_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def test_a_pid_namespace_that_hides_the_processes_is_spoken_of_once(
    host: Namespace, tmp_path: Path, quick: str
) -> None:
    with (
        leak(host, "nginx", "serve", 7000),
        leak(host, "fetcher", "dial", 7000, 12) as fetcher,
        exporter(host, tmp_path / "log", quick, within=IN_A_PID_NAMESPACE) as running,
    ):
        wait_for(lambda: "--pid host" in (tmp_path / "log").read_text(), "the hint is there", STUCK_SECONDS)
        fetcher.order("3")
        time.sleep(3)
        assert {process for process, _ in named(running)} == {None}

    log = (tmp_path / "log").read_text()
    assert log.count("--pid host") == 1
    assert "CAP_SYS_PTRACE" not in log
