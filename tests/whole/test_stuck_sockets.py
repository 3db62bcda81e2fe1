"""The exporter as a process, beside processes that leak."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.lab import recipes
from tests.lab.answers import counted, exposition, for_a_while, owners, stuck, stuck_list, told
from tests.lab.cgroups import Cgroup, cgroup
from tests.lab.daemon import (
    PORT,
    QUICK,
    STUCK_AFTER,
    UNHURRIED_AFTER,
    WITHOUT_CAPABILITIES,
    WITHOUT_NETLINK,
    exporter,
)
from tests.lab.leaks import leak
from tests.lab.netns import Namespace, Pair
from tests.lab.recipes import Recipe
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

LEAKED = 500
CHURN_SECONDS = 25


@pytest.fixture
def worker() -> Iterator[Cgroup]:
    with cgroup(f"worker-{os.getpid()}.service") as made:
        yield made


def test_what_is_stuck_is_counted_exactly_beside_churn(host: Namespace, tmp_path: Path, unhurried: str) -> None:
    """Every second a thousand connections pass through the states that others are stuck in."""
    with (
        leak(host, "server", "serve", 7000),
        leak(host, "client", "dial", 7000, LEAKED),
        leak(host, "churn", "churn", 7100, 1000),
        exporter(host, tmp_path / "log", unhurried) as running,
    ):
        wait_for(lambda: stuck(running, state="fin_wait2") >= LEAKED, "all that leaked are stuck", seconds=30)
        time.sleep(UNHURRIED_AFTER)
        passing = 0.0
        for _ in for_a_while(CHURN_SECONDS):
            counts = {state: stuck(running, state=state) for state in ("fin_wait2", "close_wait", "last_ack")}
            assert counts == {"fin_wait2": LEAKED, "close_wait": LEAKED, "last_ack": 0}
            passing = max(passing, counted(running, "tcpstate_sockets", port=7100, state="close_wait"))

        assert passing > 20
        assert running.value("tcpstate_sockets", port="7100", state="time_wait") > 5000
        assert running.value("tcpstate_fin_wait2_sockets", port="7000", ends_by="nothing") == LEAKED
        assert running.value("tcpstate_close_wait_sockets", port="7000", waits_for="close") == LEAKED
        assert running.value("tcpstate_tracked_sockets") >= 2 * LEAKED


def test_nothing_is_stuck_any_more_once_the_leak_is_closed(host: Namespace, tmp_path: Path, quick: str) -> None:
    with (
        leak(host, "server", "serve", 7000) as server,
        leak(host, "client", "dial", 7000, 20),
        exporter(host, tmp_path / "log", quick) as running,
    ):
        wait_for(lambda: stuck(running, state="fin_wait2") == 20, "the leak is stuck", seconds=20)
        server.end()
        wait_for(lambda: stuck(running) == 0, "nothing is stuck", seconds=20)

        assert stuck_list(running) == []
        assert owners(running) == {}


@pytest.mark.parametrize(
    "recipe", [recipes.fin_wait2_held, recipes.close_wait_unaccepted], ids=lambda one: one.__name__
)
def test_a_restart_forgets_no_age(recipe: Recipe, pair: Pair, tmp_path: Path, quick: str) -> None:
    """Each exporter answers after its first sample, in which everything is new to it."""
    with recipe(pair, "6", 4) as made:
        time.sleep(STUCK_AFTER)
        for _ in range(2):
            with exporter(made.place, tmp_path / "log", quick) as running:
                assert stuck(running, state=made.state.label) == 4
                assert running.value("tcpstate_oldest_socket_age_seconds", state=made.state.label) >= STUCK_AFTER
                assert {str(one["local"]).split("]:")[0] for one in stuck_list(running)} <= {"[fd99::1", "[fd99::2"}


def test_owners_are_named_by_cgroup_and_process(
    host: Namespace, tmp_path: Path, quick: str, web: Cgroup, worker: Cgroup
) -> None:
    with (
        leak(host, "nginx", "serve", 7000, within=web.within()),
        leak(host, "fetcher", "dial", 7000, 12, within=worker.within()),
        exporter(host, tmp_path / "log", quick) as running,
    ):
        expected = {("close_wait", web.path, "nginx"): 12.0, ("fin_wait2", worker.path, "fetcher"): 12.0}
        wait_for(lambda: owners(running) == expected, "both owners are named", seconds=20)

        [one] = stuck_list(running, "state=close_wait&limit=1")
        assert (one["cgroup"], one["process"], one["waits_for"]) == (web.path, "nginx", "close")
        assert one["local"] == "127.0.0.1:7000"


def test_without_privileges_the_cgroup_is_named_and_the_process_where_it_can_be_no_other(
    host: Namespace, tmp_path: Path, quick: str, web: Cgroup, worker: Cgroup
) -> None:
    with (
        leak(host, "nginx", "serve", 7000, within=web.within()),
        leak(host, "fetcher", "dial", 7000, 12, within=worker.within()),
        exporter(host, tmp_path / "log", quick, within=WITHOUT_CAPABILITIES) as running,
    ):
        expected = {("close_wait", web.path, "nginx"): 12.0, ("fin_wait2", worker.path, "fetcher"): 12.0}
        wait_for(lambda: owners(running) == expected, "both cgroups and processes are named", seconds=20)


def test_without_privileges_one_of_several_processes_is_not_named_and_the_log_says_once_why(
    host: Namespace, tmp_path: Path, quick: str, web: Cgroup
) -> None:
    with (
        leak(host, "nginx", "serve", 7000, within=web.within()),
        leak(host, "fetcher", "dial", 7000, 12, within=web.within()),
        exporter(host, tmp_path / "log", quick, within=WITHOUT_CAPABILITIES) as running,
    ):
        expected = {("close_wait", web.path, ""): 12.0, ("fin_wait2", web.path, ""): 12.0}
        wait_for(lambda: owners(running) == expected, "the cgroup is named", seconds=20)
        wait_for(lambda: "CAP_SYS_PTRACE" in (tmp_path / "log").read_text(), "the log says why", seconds=20)
        time.sleep(1)

    assert (tmp_path / "log").read_text().count("CAP_SYS_PTRACE") == 1


def test_unaccepted_sockets_belong_to_who_listens(pair: Pair, tmp_path: Path, quick: str) -> None:
    with recipes.close_wait_unaccepted(pair, "4", 5), exporter(pair.b, tmp_path / "log", quick) as running:
        wait_for(lambda: stuck(running, state="close_wait") == 5, "they are stuck", seconds=20)
        wait_for(lambda: {key[2] for key in owners(running)} == {Path("/proc/self/comm").read_text().strip()}, "named")

        assert running.value("tcpstate_close_wait_sockets", waits_for="accept") == 5


def test_an_orphan_keeps_the_name_of_who_left_it(host: Namespace, tmp_path: Path, quick: str) -> None:
    with (
        leak(host, "nginx", "serve", 7000) as server,
        leak(host, "client", "dial", 7000, 6),
        exporter(host, tmp_path / "log", quick) as running,
    ):
        wait_for(lambda: ("close_wait", "nginx") in {(key[0], key[2]) for key in owners(running)}, "named", seconds=20)
        host.drop_input("tcp sport 7000")
        server.end()
        wait_for(lambda: stuck(running, state="last_ack") == 6, "its sockets hang in LAST_ACK", seconds=20)

        assert {key[2] for key in owners(running) if key[0] == "last_ack"} == {"nginx"}


def test_procfs_tells_how_sockets_end_and_who_holds_them(pair: Pair, tmp_path: Path, quick: str) -> None:
    with (
        recipes.fin_wait2_held(pair, "mapped", 3),
        exporter(pair.a, tmp_path / "log", quick, within=WITHOUT_NETLINK) as running,
    ):
        wait_for(lambda: stuck(running, state="fin_wait2") == 3, "they are stuck", seconds=20)

        assert running.value("tcpstate_fin_wait2_sockets", ends_by="nothing") == 3
        wait_for(lambda: sum(owners(running).values()) == 3, "they have an owner")


def test_psutil_tells_ages_and_processes_and_not_how_sockets_end(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(QUICK.replace("500ms", "2s") + "source: psutil\n")
    with (
        recipes.fin_wait2_held(pair, "4", 3),
        exporter(pair.a, tmp_path / "log", f"--config.file={tmp_path / 'config.yaml'}") as running,
    ):
        wait_for(lambda: stuck(running, state="fin_wait2") == 3, "they are stuck", seconds=20)
        own = Path("/proc/self/comm").read_text().strip()
        wait_for(lambda: set(owners(running)) == {("fin_wait2", "", own)}, "their process is named")

        assert told(running, "tcpstate_fin_wait2_sockets") == []
        assert told(running, "tcpstate_close_wait_sockets") == []


def test_owners_can_be_left_out(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(QUICK + "owners: {enabled: false}\n")
    with (
        recipes.fin_wait2_held(pair, "4", 3),
        exporter(pair.a, tmp_path / "log", f"--config.file={tmp_path / 'config.yaml'}") as running,
    ):
        wait_for(lambda: stuck(running, state="fin_wait2") == 3, "they are stuck", seconds=20)

        assert "tcpstate_stuck_sockets_by_owner" not in exposition(running)
        assert {(one["cgroup"], one["process"]) for one in stuck_list(running)} == {(None, None)}


def test_a_browser_shows_hostile_names_as_text(host: Namespace, tmp_path: Path, quick: str) -> None:
    hostile = f"<img src=x onerror=document.title='owned'>-{os.getpid()}"
    with (
        cgroup(hostile) as evil,
        leak(host, "<b>&\"'</b>", "serve", 7000, within=evil.within()),
        leak(host, "client", "dial", 7000, 3),
        exporter(host, tmp_path / "log", quick) as running,
    ):
        wait_for(lambda: any(key[1] == f"/{hostile}" for key in owners(running)), "the hostile owner shows", seconds=20)
        wait_for(lambda: "&lt;img src=x onerror=" in browsed(host, tmp_path, "/"), "the browser shows it", seconds=30)
        page = browsed(host, tmp_path, "/")

        assert "<title>! " in page
        assert "<img" not in page
        assert "&lt;b&gt;&amp;" in page
        found = browsed(host, tmp_path, "/api/v1/stuck")
        assert "<img" not in found
        assert [one["cgroup"] for one in stuck_list(running, "port=7000&state=close_wait")] == [f"/{hostile}"] * 3


def browsed(host: Namespace, folder: Path, path: str) -> str:
    """The document that a browser made of it, written out again."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}"]
    url = f"http://127.0.0.1:{PORT}{quote(path, safe='/?=&')}"
    done = subprocess.run(
        host.command(*command, "--dump-dom", url), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
