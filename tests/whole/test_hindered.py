"""An exporter that is not shown most processes, or is not allowed to run for a while."""

import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.lab.answers import counted, for_a_while, owners, stuck, stuck_list
from tests.lab.cgroups import Cgroup
from tests.lab.daemon import STUCK_AFTER, WITHOUT_NETLINK, Process, exporter
from tests.lab.leaks import leak
from tests.lab.netns import Namespace
from tests.lab.programs import program
from tests.lab.witness import by_state, wait_for

pytestmark = pytest.mark.kernel

SECONDS = 30
"""At most, until sockets are stuck, and their owners are named."""
LEAKED = 12

_READS = "-all,+dac_read_search"
OTHER_USER = (
    "setpriv",
    *("--reuid=65534", "--regid=65534", "--clear-groups"),
    *(f"--bounding-set={_READS}", f"--inh-caps={_READS}", f"--ambient-caps={_READS}"),
)
"""Who may read any file, as those of the tests, and look into no process but its own."""


class AsOtherUser(Namespace):
    """One where all is run by that user."""

    def command(self, *arguments: str) -> list[str]:
        return super().command(*OTHER_USER, *arguments)


def hidden_by(option: str) -> Sequence[str]:
    """For a command of the other user with a /proc of its own; the one that all share stays as it is."""
    mount = 'mount -t proc -o "hidepid=$0" proc /proc && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", mount, option, *OTHER_USER)


@pytest.mark.parametrize("option", ["noaccess", "invisible", "ptraceable"])
@pytest.mark.parametrize("source", ["sock_diag", "procfs"])
def test_where_proc_hides_the_processes_all_is_known_but_their_names(  # noqa: PLR0913 - a table
    host: Namespace, tmp_path: Path, quick: str, web: Cgroup, *, option: str, source: str
) -> None:
    within = [*hidden_by(option), *(WITHOUT_NETLINK if source == "procfs" else ())]
    log, cgroup = tmp_path / "log", web.path if source == "sock_diag" else ""
    with (
        leak(host, "nginx", "serve", 7000, within=web.within()),
        leak(host, "fetcher", "dial", 7000, LEAKED),
        exporter(host, log, quick, within=within) as running,
    ):
        wait_for(lambda: stuck(running, state="fin_wait2") == LEAKED, "they are stuck", SECONDS)
        wait_for(lambda: owners(running).get(("close_wait", cgroup, "")) == LEAKED, "their cgroup is told", SECONDS)
        wait_for(lambda: "CAP_SYS_PTRACE" in log.read_text(), "the log says what is missing", SECONDS)
        for _ in for_a_while(STUCK_AFTER):
            assert {process for _, _, process in owners(running)} <= {""}

        seen = {state.label: number for state, number in by_state(host).items()}
        wait_for(lambda: +running.by_state() == seen, "the counts are those of ss")
        assert [sample.labels["source"] for sample in running.samples("tcpstate_source_info")] == [source]
        assert counted(running, "tcpstate_sample_failures_total", source=source) == 0

    assert log.read_text().count("CAP_SYS_PTRACE") == 1
    assert "traceback" not in log.read_text().lower()
    assert "hidepid" not in Path("/proc/self/mounts").read_text()


def test_where_proc_hides_the_processes_those_of_the_exporters_own_user_are_named(
    host: Namespace, tmp_path: Path, quick: str
) -> None:
    with (
        program(AsOtherUser(host.name), OWN) as own,
        leak(host, "nginx", "serve", 7000),
        leak(host, "fetcher", "dial", 7000, LEAKED),
        exporter(host, tmp_path / "log", quick, within=hidden_by("invisible")) as running,
    ):
        expected = {(8080, "own", own.pid): 3, (7000, None, None): 2 * LEAKED}
        wait_for(lambda: by_process(running) == expected, "only those are named", SECONDS)


OWN = """
call("own")
kept = leak(3, listen("127.0.0.1", 8080))
say("ready")
wait()
"""


def by_process(running: Process) -> dict[tuple[int, str | None, int | None], int]:
    """Stuck sockets by port, process and its number."""
    found: dict[tuple[int, str | None, int | None], int] = {}
    for one in stuck_list(running):
        key = one["port"], one["process"], one["pid"]
        found[key] = found.get(key, 0) + 1
    return found


INTERVAL = 0.5
"""Seconds, in these tests."""
FROZEN = 10 * INTERVAL
AGO = 3 * INTERVAL
"""At most, since the sample that is told: an older one is not told any more."""
LATER = 5


def ages(running: Process) -> dict[tuple[str, str], float]:
    """By the two ends of each stuck socket, seconds in its state."""
    return {(one["local"], one["remote"]): one["age_seconds"] for one in stuck_list(running)}


def test_an_exporter_that_was_frozen_makes_nothing_younger_and_goes_on(
    host: Namespace, tmp_path: Path, quick: str
) -> None:
    with (
        leak(host, "nginx", "serve", 7000),
        leak(host, "fetcher", "dial", 7000, LEAKED) as fetcher,
        exporter(host, tmp_path / "log", quick) as running,
    ):
        wait_for(lambda: len(ages(running)) == 2 * LEAKED, "all are stuck", SECONDS)
        before, since = ages(running), time.monotonic()
        samples = counted(running, "tcpstate_samples_total")

        running.signal(signal.SIGSTOP)
        fetcher.order(str(LATER))
        time.sleep(FROZEN)
        running.signal(signal.SIGCONT)
        for _ in for_a_while(FROZEN):
            assert stuck(running) in {2 * LEAKED, 2 * (LEAKED + LATER)}
            older = time.monotonic() - since - AGO
            now = ages(running)
            assert all(now[ends] >= age + older for ends, age in before.items())

        wait_for(lambda: len(ages(running)) == 2 * (LEAKED + LATER), "the later ones are stuck too", SECONDS)
        wait_for(lambda: counted(running, "tcpstate_samples_total") >= samples + 5, "samples go on", SECONDS)
        assert counted(running, "tcpstate_oldest_socket_age_seconds", port=7000, state="fin_wait2") >= FROZEN
        assert counted(running, "tcpstate_samples_skipped_total") >= FROZEN / INTERVAL - 2
        assert counted(running, "tcpstate_sample_failures_total") == 0
        assert counted(running, "tcpstate_up") == 1

        fetcher.order("")
        wait_for(lambda: stuck(running, state="fin_wait2") == 0, "what is closed is not stuck", SECONDS)
    assert "traceback" not in (tmp_path / "log").read_text().lower()
