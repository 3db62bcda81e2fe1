"""Short programs in Python, as processes in a namespace and a cgroup."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from textwrap import dedent

from tests.lab.daemon import ROOT
from tests.lab.netns import Namespace

_PRELUDE = """
import os, socket, sys, time
def call(name):
    open("/proc/self/comm", "w").write(name)
def join(cgroup):
    open(cgroup + "/cgroup.procs", "w").write(str(os.getpid()))
def listen(address, port, family=socket.AF_INET, **options):
    made = socket.socket(family)
    for option, value in options.items():
        level = socket.IPPROTO_IPV6 if option.startswith("IPV6") else socket.SOL_SOCKET
        made.setsockopt(level, getattr(socket, option), value)
    made.bind((address, port))
    made.listen(128)
    return made
def serve(listening):
    while True:
        listening.accept()[0].close()
def say(word):
    print(word, flush=True)
def wait():
    return sys.stdin.readline()
def leave(address, count, port=8080):
    for _ in range(count):
        with socket.create_connection((address, port)) as one:
            one.send(b"x")
def leak(count, listening, port=8080):
    kept = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port))
        kept.append(listening.accept()[0])
        client.close()
    return kept
"""
"""What each of them can use: ``leave`` connects, sends and closes; ``leak`` also accepts, and gives what that gave."""


@dataclass(frozen=True)
class Program:
    """A running program."""

    process: "subprocess.Popen[str]"

    @property
    def pid(self) -> int:
        return self.process.pid

    def go_on(self) -> str:
        """Let it go on from where it waits, to the next word that it says."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.said()

    def said(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


@contextmanager
def program(host: Namespace, code: str, *arguments: object, within: Sequence[str] = ()) -> Iterator[Program]:
    """A process that runs *code*, and all that it starts; once it has said a word."""
    command = [*within, *host.command(sys.executable, "-c", _PRELUDE + dedent(code), *map(str, arguments))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as process:
        try:
            running = Program(process)
            assert running.said(), "it did not start"
            yield running
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
