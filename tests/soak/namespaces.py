"""Runs the exporter for some minutes while network namespaces come and go, each with sockets that leak.

Prints what it takes, and ends with 1 if memory, descriptors or threads have grown, a scrape was missed, a namespace was
kept alive after its processes, or its series were.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.lab.daemon import ROOT, Process, exporter
from tests.lab.netns import Namespace, namespace
from tests.lab.witness import wait_for
from tests.soak.record import Record
from tests.soak.scrapers import Scraper

ALIVE = 20
"""Namespaces at a time."""
EVERY_SECONDS = 0.5
"""One goes and another comes."""
PORT = 28090
CONFIG = "interval: 1s\nmax_cpu: 50%\nstuck_after: {{fin_wait2: 1s, close_wait: 1s}}\nnamespaces: all\nsource: {}\n"
GONE_SECONDS = 5.0
"""In which the kernel takes a namespace away that nobody keeps."""


class Container(NamedTuple):
    """A process in a network namespace of its own, which has one end of a pair of interfaces."""

    process: "subprocess.Popen[str]"
    link: str
    """The other end, which goes when the namespace does."""

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser("tests.soak.namespaces", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=10.0, help="how long (10)")
    parser.add_argument("--source", default="bpf", help="bpf or sock_diag (bpf)")
    asked = parser.parse_args(arguments)
    with ExitStack() as kept:
        faults = _run(kept, asked.minutes * 60, asked.source)
    print("\n".join(faults) or "nothing has grown, nothing was missed, and nothing was kept")
    return 1 if faults else 0


def _run(kept: ExitStack, seconds: float, source: str) -> Sequence[str]:
    host = kept.enter_context(namespace())
    folder = Path(kept.enter_context(tempfile.TemporaryDirectory()))
    (folder / "config.yaml").write_text(CONFIG.format(source))
    running = kept.enter_context(exporter(host, folder / "log", f"--config.file={folder / 'config.yaml'}"))
    scraper = Scraper(host, running.port, tls=False)
    kept.callback(scraper.stop)
    scraper.start()
    record = Record(running.popen.pid, scraper, folder / "log")
    made, pinned = _come_and_go(host, record, seconds)
    print(record.table(), f"{made} namespaces came and went", sep="\n")
    return [*record.faults(), *_left(running), *([f"{pinned} namespaces were kept alive"] if pinned else [])]


def _come_and_go(host: Namespace, record: Record, seconds: float) -> tuple[int, int]:
    """How many came, and how many stayed that should have gone."""
    begun, alive, ended, made = time.monotonic(), deque[Container](), deque[tuple[float, str]](), 0
    pinned = 0
    while time.monotonic() < begun + seconds:
        alive.append(_container(host, made))
        made += 1
        if len(alive) > ALIVE:
            alive[0].end()
            ended.append((time.monotonic(), alive.popleft().link))
        while ended and time.monotonic() > ended[0][0] + GONE_SECONDS:
            pinned += _is_there(host, ended.popleft()[1])
        record.note(time.monotonic() - begun)
        time.sleep(EVERY_SECONDS)
    for one in alive:
        one.end()
    return made, pinned


def _container(host: Namespace, number: int) -> Container:
    link = f"v{number}"
    serve = [sys.executable, "-m", "tests.lab.leaker", f"app{number}", "serve", str(PORT)]
    process = subprocess.Popen(host.command("unshare", "--net", *serve), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    host.run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
    dial = f"import socket; socket.create_connection(('127.0.0.1', {PORT}))"
    within = ["nsenter", f"--net=/proc/{process.pid}/ns/net"]
    subprocess.run([*within, "ip", "link", "set", "lo", "up"], check=True)
    subprocess.run([*within, sys.executable, "-c", dial], check=True)
    return Container(process, link)


def _is_there(host: Namespace, link: str) -> bool:
    return f" {link}@" in host.run("ip", "-o", "link")


def _left(running: Process) -> Sequence[str]:
    """What is still told of them, though they have gone."""
    port = str(PORT)
    running.clients.clear()  # one that has asked for nothing for minutes was closed
    try:
        wait_for(
            lambda: not any(one.value for one in running.samples("tcpstate_sockets") if one.labels["port"] == port),
            "their sockets are gone",
            30,
        )
    except AssertionError as error:
        return [str(error)]
    return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
