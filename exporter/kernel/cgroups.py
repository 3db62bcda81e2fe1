"""The paths of cgroups by number, which is the inode of their directory in the cgroup v2 hierarchy; and who is in them.

A socket remembers the number of the cgroup that it was made in, also when the cgroup is gone. So a path that was found
once is kept for as long as some socket asks for it.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from exporter.decode import proc_pid

ROOTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
"""Where version 2 is mounted: alone, or beside version 1 (the hybrid layout of systemd)."""
MOST = 50_000
"""Directories that one walk looks at."""
_SHARE = 0.005
"""Of one core, that walks may take."""
CROWD = 200
"""Processes in a cgroup; those in one that has more are not told."""


class Cgroups:
    """The paths of the directories below *root*, or of none where cgroup v2 is not mounted.

    *cpu* is the processor time of this thread in seconds.
    """

    def __init__(self, root: Path | None = None, cpu: Callable[[], float] = time.thread_time) -> None:
        self._root = root or next(filter(_is_mounted, ROOTS), None)
        self._cpu = cpu
        self._cgroups: dict[int, str] = {}
        self._next = 0.0

    def path(self, cgroup_id: int) -> str:
        """The cgroup's path below the root of the hierarchy, ``/`` for the root itself, empty if it is not known."""
        return self._cgroups.get(cgroup_id, "")

    def paths(self, cgroup_ids: Iterable[int]) -> Mapping[int, str]:
        """The paths of those of the cgroups that are known, by number."""
        return {cgroup_id: self._cgroups[cgroup_id] for cgroup_id in cgroup_ids if cgroup_id in self._cgroups}

    def pids(self, path: str) -> Sequence[int]:
        """The processes in the cgroup with that *path*, which anybody may ask for; 0 for one that is hidden from us.

        Empty for more than CROWD, for the root, and where the hierarchy does not have the path.
        """
        if self._root is None or len(path) <= 1 or ".." in path.split("/"):
            return ()
        try:
            found = proc_pid.pids(Path(f"{self._root}{path}/cgroup.procs").read_bytes())
        except (OSError, ValueError):  # also of a threaded cgroup, which has no processes of its own, and of no path
            return ()
        return found if len(found) <= CROWD else ()

    def look(self, cgroup_ids: frozenset[int], now: float) -> None:
        """Find the paths of these cgroups, unless the last walk was a short time ago; forget others that are gone.

        *now* is in seconds, on any clock that does not go back.
        """
        if self._root is None or now < self._next or cgroup_ids <= self._cgroups.keys():
            return
        begun = self._cpu()
        kept = {cgroup_id: self.path(cgroup_id) for cgroup_id in cgroup_ids}
        self._cgroups = kept | dict(_walk(self._root))
        self._next = now + (self._cpu() - begun) / _SHARE


def _is_mounted(root: Path) -> bool:
    try:
        return (root / "cgroup.controllers").exists()
    except OSError:  # not to be seen by us
        return False


def _walk(root: Path) -> Iterator[tuple[int, str]]:
    """Number and path of the directories below *root*; those that vanish meanwhile are left out."""
    left = [""]
    for _ in range(MOST):
        if not left:
            return
        cgroup = left.pop()
        try:
            yield Path(f"{root}{cgroup}").stat().st_ino, os.fsencode(cgroup).decode(errors="replace") or "/"
            with os.scandir(f"{root}{cgroup}") as entries:
                left += [f"{cgroup}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
