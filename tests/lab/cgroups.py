"""Cgroups of version 2 for one test, and commands that run in them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.kernel.cgroups import ROOTS


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
    """A cgroup by that name at the top of the hierarchy, which has to be empty of processes in the end."""
    folder = _root() / name
    folder.mkdir()
    try:
        yield Cgroup(folder)
    finally:
        if folder.exists():
            folder.rmdir()
