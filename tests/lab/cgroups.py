"""Cgroups of version 2 for one test, and commands that run in them."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.kernel.cgroups import ROOTS
from tests.lab.witness import wait_for


@dataclass(frozen=True)
class Cgroup:
    """A directory of the hierarchy."""

    folder: Path

    @property
    def path(self) -> str:
        """As the exporter shows it."""
        return f"/{self.folder.relative_to(_root())}"

    def within(self) -> Sequence[str]:
        """The beginning of a command line that runs its rest in the cgroup."""
        return ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(self.folder))


def _root() -> Path:
    found = [root for root in ROOTS if (root / "cgroup.controllers").exists()]
    assert found, f"no cgroup v2 at {' or '.join(map(str, ROOTS))}"
    return found[0]


@contextmanager
def cgroup(name: str) -> Iterator[Cgroup]:
    """A cgroup by that name or path in the hierarchy, which has to be empty of processes in the end."""
    folder = _root() / name
    folder.mkdir()
    try:
        yield Cgroup(folder)
    finally:
        if folder.exists():
            wait_for(lambda: "populated 0" in (folder / "cgroup.events").read_text(), f"all have left {folder}")
            folder.rmdir()


@contextmanager
def version_1(name: str, root: Path) -> Iterator[Path]:
    """The folder of a cgroup by that path in a hierarchy of version 1, without controllers, mounted at *root*."""
    root.mkdir()
    made = ["mount", "-t", "cgroup", "-o", f"none,name=tse-{os.getpid()}", "none", str(root)]
    subprocess.run(made, check=True)
    folder = root / name
    try:
        folder.mkdir(parents=True)
        yield folder
        wait_for(lambda: not (folder / "cgroup.procs").read_text(), f"all have left {folder}")
    finally:
        while folder != root:
            folder.rmdir()
            folder = folder.parent
        subprocess.run(["umount", str(root)], check=True)
