"""Who has a socket."""

from typing import NamedTuple


class Process(NamedTuple):
    """A process."""

    pid: int
    name: str
    """As /proc/PID/comm has it."""
    cgroup: str
    """The path of its cgroup."""


NO_PROCESS = Process(0, "", "")


class HolderClue(NamedTuple):
    """Where to look for the process that holds a socket."""

    inode: int
    """Of the socket's descriptors, or 0 if the source knows the process."""
    pid: int = 0
    """The process, or 0 if the source does not know it."""


class Owner(NamedTuple):
    """Whom to ask about a socket."""

    cgroup: str
    """A path such as ``/system.slice/nginx.service``; empty if it is not known."""
    process: str
    """Empty where the exporter may not look."""
    pid: int = 0


def owner(cgroup: str, process: Process) -> Owner:
    """Of a socket: its own *cgroup* where that says anything, else that of the process."""
    return Owner(cgroup if len(cgroup) > 1 else process.cgroup or cgroup, process.name, process.pid)
