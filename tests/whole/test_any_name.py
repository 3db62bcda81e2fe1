"""Processes and cgroups whose names hold what nobody expects: they are read back as they are, and shown as text."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from html import escape
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.lab.answers import exposition, stuck_list
from tests.lab.cgroups import cgroup
from tests.lab.daemon import ROOT, STUCK_AFTER, Process, exporter, prometheus, query
from tests.lab.netns import Namespace
from tests.lab.programs import program
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

SECONDS = 30
"""At most, until sockets are stuck, and their owners are named."""

BY_OWNER = "tcpstate_stuck_sockets_by_owner"
LEAKED = 2
PROCESSES = {
    8000: b'say "hi" it\'s',
    8001: b"back\\slash\\n\\",
    8002: b"two\nlines\n",
    8003: b'{a="b",c=~".*"}',
    8004: b") S 1 (init) R",
    8005: b"# HELP x",
    8006: b"\x1b[31mred\ttab\r",
    8007: b"\xff\xfe caf\xe9",
    8008: "cut within a 日".encode()[:15],
    8009: "\u2028line\u0085end".encode(),
    8010: b" ",
    8011: b"",
}
"""By port. The kernel cuts a name after 15 bytes, also within a character."""
CGROUPS = {
    8000: b'say "hi" it\'s.service',
    8001: b"back\\slash\\n\\",
    8002: b'{a="b",c=~".*"}',
    8003: b"\x1b[31mred\ttab\rend.scope",
    8004: b"\xff\xfe caf\xe9",
    8005: "\u2028line\u0085end\x0b\x0c\x1c".encode(),
    8006: b"0::.. 1:name=systemd:",
}
"""By port. They may hold anything but a slash and a newline."""
NAMED = """
import ctypes
ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)  # PR_SET_NAME
kept = leak(int(sys.argv[3]), listen("127.0.0.1", int(sys.argv[2])), int(sys.argv[2]))
say("ready")
wait()
"""


def decoded(names: Mapping[int, bytes]) -> dict[int, str]:
    """As text, which is all that a label can have."""
    return {port: name.decode(errors="replace") for port, name in names.items()}


def printable(name: str) -> str:
    """What a person gets to see of it."""
    return "".join(character if character.isprintable() else "?" for character in name)


def shows(text: str, names: Iterable[str]) -> bool:
    """Whether it has all of these, and nothing that could govern a terminal."""
    assert all(character.isprintable() or character == "\n" for character in text)
    return all(name in text for name in names)


def labelled(samples: Sequence[Sample], label: str) -> dict[int, str]:
    """By port, the label of the only owner of its sockets."""
    assert {one.value for one in samples} == {LEAKED}
    return {int(one.labels["port"]): one.labels[label] for one in samples}


def once(host: Namespace, *flags: str) -> str:
    command = host.command(sys.executable, "-m", "exporter", *flags)
    return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=True).stdout.decode()


def by_owner(text: str) -> list[Sample]:
    """The samples of owners in an exposition."""
    families = text_string_to_metric_families(text)
    return [one for family in families for one in family.samples if one.name == BY_OWNER]


@pytest.fixture
def knowing(host: Namespace, tmp_path: Path, quick: str) -> Iterator[Process]:
    """An exporter that has found all of PROCESSES."""
    with ExitStack() as stack:
        pids = {
            stack.enter_context(program(host, NAMED, name.hex(), port, LEAKED)).pid for port, name in PROCESSES.items()
        }
        time.sleep(STUCK_AFTER)  # all are sought together
        running = stack.enter_context(exporter(host, tmp_path / "log", quick))
        wait_for(lambda: {one["pid"] for one in stuck_list(running)} == pids, "all are found", SECONDS)
        yield running


def test_a_process_of_any_name_has_a_label_that_is_read_back_as_it_is(
    knowing: Process, host: Namespace, tmp_path: Path
) -> None:
    assert labelled(by_owner(exposition(knowing)), "process") == decoded(PROCESSES)

    with prometheus(host, tmp_path) as server:
        wait_for(lambda: len(query(server, BY_OWNER)) == len(PROCESSES), "Prometheus has scraped", SECONDS)
        found = {int(labels["port"]): labels.get("process", "") for labels, _ in query(server, BY_OWNER)}
        assert found == decoded(PROCESSES)


def test_a_process_of_any_name_is_shown_as_text(knowing: Process, host: Namespace, quick: str) -> None:
    names = decoded(PROCESSES)
    assert {one["port"]: one["process"] or "" for one in stuck_list(knowing)} == names
    assert shows(knowing.ask("/").body, [escape(printable(name)) for name in names.values()])

    assert shows(once(host, quick, "--once"), map(printable, names.values()))
    assert labelled(by_owner(once(host, quick, "--once=prometheus")), "process") == names
    found = json.loads(once(host, quick, "--once=json"))
    assert {int(one["port"]): one["process"] for one in found["owners"]} == names
    assert {one["port"]: one["process"] or "" for one in found["stuck"]} == names


def test_a_cgroup_of_any_name_is_told_as_it_is_and_shown_as_text(host: Namespace, tmp_path: Path, quick: str) -> None:
    names = {port: b"tse-%d " % os.getpid() + name for port, name in CGROUPS.items()}
    paths = {port: f"/{name}" for port, name in decoded(names).items()}
    with ExitStack() as stack:
        pids = set()
        for port, name in names.items():
            made = stack.enter_context(cgroup(os.fsdecode(name)))
            leaking = program(host, NAMED, b"app".hex(), port, LEAKED, within=made.within())
            pids.add(stack.enter_context(leaking).pid)
        time.sleep(STUCK_AFTER)  # all are sought together
        running = stack.enter_context(exporter(host, tmp_path / "log", quick))
        wait_for(lambda: {one["pid"] for one in stuck_list(running)} == pids, "all are found", SECONDS)

        assert labelled(by_owner(exposition(running)), "cgroup") == paths
        assert {one["port"]: one["cgroup"] for one in stuck_list(running)} == paths
        assert shows(running.ask("/").body, [escape(printable(path[1:])) for path in paths.values()])
        assert shows(once(host, quick, "--once"), [printable(path[1:]) for path in paths.values()])
        assert labelled(by_owner(once(host, quick, "--once=prometheus")), "cgroup") == paths
