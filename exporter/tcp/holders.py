"""Who has a socket."""

from typing import NamedTuple


class Process(NamedTuple):
    """A process."""

    pid: int
    process: str
    """Its name (/proc/PID/comm)."""
    cgroup: str
    """The path of its cgroup."""


NO_PROCESS = Process(0, "", "")


class HolderClue(NamedTuple):
    """Where to look for a socket's holder."""

    inode: int
    """0 if no descriptor has it."""
    pid: int
    """0 if the source does not know."""


class Owner(NamedTuple):
    """Whom to ask about a socket."""

    cgroup: str
    """A path such as ``/system.slice/nginx.service``; empty if it is not known."""
    process: str
    """Empty where the exporter may not look."""
    pid: int = 0
