"""Who has a socket.

A socket remembers the cgroup that it was made in, and one that was accepted that of its listener; who holds it now may
be another. So who holds it, or is to accept it, owns it, unless the path of the other cgroup says more (see
``cgroups``):

    made in                           held in                           owner
    /system.slice/nginx.service       the same                          nginx.service
    /init.scope, .../web.socket       /system.slice/web.service         web.service: socket activation
    /system.slice/opener.service      /system.slice/web.service         web.service: a helper that opens reserved ports
    /system.slice/containerd.service  /kubepods/.../pod<uid>/<64 hex>   the container, which version 2 does not show
    /                                 /docker/<64 hex>                  the container
    /system.slice/nginx.service       /, or it is not known             nginx.service
    /init.scope                       it is not known                   init.scope: nothing better is known

A socket that several processes hold has no single owner; nor has one of which it cannot be told at which of several
listening sockets it waits. What all of them share is told then, and no process number.
"""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from exporter.tcp.cgroups import is_manager, telling


class Process(NamedTuple):
    """A process."""

    pid: int
    name: str
    """As /proc/PID/comm has it."""
    cgroup: str
    """The path of its cgroup."""
    started: int = 0
    """Clock ticks from the start of the system, which tell it from another with the same number; 0 if not known."""


NO_PROCESS = Process(0, "", "")


class Whose(NamedTuple):
    """What the processes are told under that hold sockets of a network namespace."""

    cgroup: str
    process: str
    """The name, as of an Owner."""
    netns: str = ""
    """The name of the namespace; empty for our own."""


SEVERAL = "several"
"""In place of the name where processes of several names share a socket."""


class Descriptors(NamedTuple):
    """The descriptors of a process."""

    open: int
    limit: int
    """How many it may have open: the soft limit."""

    @property
    def share(self) -> float:
        """How much of the limit is used, from 0 to 1, and above where the limit was lowered."""
        return self.open / max(self.limit, 1)


HeldBy = tuple[Process, ...]
"""All processes that are known to have a socket."""


class HeldSocket(NamedTuple):
    """A socket that a process has a descriptor of, as the kernel lists them."""

    inode: int
    pid: int
    netns: int
    """The inode of its network namespace."""
    is_over: bool
    """It has had a peer, and has left all tables of sockets."""


AskHeld = Callable[[Collection[int]], Sequence[HeldSocket]]
"""Gives who has the sockets by these inodes, and who has which that are over; a process that has several descriptors of
one comes once. Raises SourceUnavailable and SampleError."""


class Crowd(NamedTuple):
    """The processes that are in a cgroup."""

    processes: HeldBy
    descriptors: int | None
    """That they have open together, or None where the kernel does not tell."""


NOBODY = Crowd((), None)


class HolderClue(NamedTuple):
    """Where to look for the processes that hold a socket."""

    inode: int
    """Of the socket's descriptors, or 0 if the source knows the process."""
    pid: int = 0
    """The process, or 0 if the source does not know it."""


class Owner(NamedTuple):
    """Whom to ask about a socket."""

    cgroup: str
    """A path such as ``/system.slice/nginx.service``; empty if it is not known, or there are several."""
    process: str
    """Empty where the exporter may not look; SEVERAL for processes of several names."""
    pid: int = 0
    """0 if it is not known, or there are several."""


def owner(cgroup: str, process: Process) -> Owner:
    """Of a socket that was made in *cgroup* and is held by *process*."""
    return Owner(telling([process.cgroup, cgroup]), process.name, process.pid)


def together(processes: Collection[Process]) -> Process:
    """One process that stands for all of these: it has what they share. NO_PROCESS stands for none."""
    if len(processes) == 1:
        return next(iter(processes))
    names, cgroups = {one.name for one in processes}, {one.cgroup for one in processes}
    if not names:
        return NO_PROCESS
    return Process(0, names.pop() if len(names) == 1 else SEVERAL, cgroups.pop() if len(cgroups) == 1 else "")


def without_managers(processes: HeldBy) -> HeldBy:
    """Those that do not just keep a socket for others, or all if there are no such."""
    return tuple(one for one in processes if not is_manager(one.cgroup)) or processes
