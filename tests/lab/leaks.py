"""Processes that leak sockets, in a namespace and a cgroup."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.lab.daemon import ROOT
from tests.lab.netns import Namespace


@dataclass(frozen=True)
class Leak:
    """A running leaker."""

    process: "subprocess.Popen[str]"

    def order(self, line: str) -> None:
        """Give a leaker that dials a line of input, and wait until it is done."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def leak(host: Namespace, name: str, *what: object, within: Sequence[str] = ()) -> Iterator[Leak]:
    """A process that calls itself *name* and does *what*, see ``tests.lab.leaker``; once it is ready."""
    command = [*within, *host.command(sys.executable, "-m", "tests.lab.leaker", name, *map(str, what))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n", f"{name} did not start"
            yield Leak(process)
        finally:
            process.kill()
