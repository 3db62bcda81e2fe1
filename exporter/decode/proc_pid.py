"""What stands in /proc/PID about a process: its name, its cgroup, its life, and what its descriptors are.

The lines of /proc/PID/cgroup (cgroups(7)), one for each hierarchy that the process is in:

    0::/system.slice/nginx.service                       version 2
    1:name=systemd:/system.slice/nginx.service           version 1, without controllers
    12:memory:/docker/0123...                            version 1

The line of /proc/PID/stat (proc_pid_stat(5)); the name may hold anything, also blanks and parentheses:

    4711 (nginx: worker) S 4710 4710 4710 0 -1 4194560 ...
    pid   name           |  parent                     ... start time in the 22nd field
                         state

A line of /proc/PID/limits, soft limit before hard limit:

    Max open files            1024                 524288               files
"""

from typing import NamedTuple

from exporter.tcp.cgroups import telling

_SOCKET = "socket:["
_PID_NAMESPACE = "pid:["
_OPEN_FILES = b"Max open files"
_MOST_DIGITS = 20
"""Of a number of 64 bits; what has more is none of the kernel's, and may be more than int() takes."""
_DEAD = frozenset({b"Z", b"X"})
_AT_STATE, _AT_PARENT, _AT_STARTED = 0, 1, 19
"""Of the fields behind the name."""


class Life(NamedTuple):
    """Whether a process is still there, and from whom and when it came."""

    is_dead: bool
    """It has ended, and its parent has not asked how: it holds nothing any more."""
    parent: int
    started: int
    """Clock ticks from the start of the system."""


UNKNOWN_LIFE = Life(is_dead=False, parent=0, started=0)


def comm(content: bytes) -> str:
    """The name of a process, which may be any bytes (comm): what is no UTF-8 is replaced."""
    return content.decode(errors="replace").removesuffix("\n")


def cgroup(content: bytes) -> str:
    """The cgroup that says most about a process: of version 2 if no other says more, else the longest; or empty."""
    lines = [line.split(":", 2) for line in content.decode(errors="replace").split("\n")]
    paths = {hierarchy: path for hierarchy, _, path in (line for line in lines if len(line) == 3)}
    unified = paths.pop("0", "")
    return telling([unified, *sorted(paths.values(), key=len, reverse=True)])


def life(content: bytes) -> Life:
    """Read from /proc/PID/stat; UNKNOWN_LIFE if that is no such line."""
    fields = content.rpartition(b")")[2].split()
    try:
        return Life(fields[_AT_STATE] in _DEAD, int(fields[_AT_PARENT]), int(fields[_AT_STARTED]))
    except (IndexError, ValueError):
        return UNKNOWN_LIFE


def pids(content: bytes) -> list[int]:
    """The numbers in cgroup.procs or /proc/PID/task/TID/children; 0 stands for a process of another PID namespace."""
    return [number for word in content.split() if (number := _number(word)) is not None]


def descriptor_limit(content: bytes) -> int | None:
    """How many descriptors the process may have open, from /proc/PID/limits; None if that does not say a number."""
    for line in content.splitlines():
        if line.startswith(_OPEN_FILES):
            soft = line.removeprefix(_OPEN_FILES).split()[:1]
            return _number(soft[0]) if soft else None
    return None


def socket_inode(target: str) -> int | None:
    """The inode of the socket that a link in /proc/PID/fd leads to (``socket:[4711]``, fs/proc), or None."""
    return _number_of(target, _SOCKET)


def pid_namespace(target: str) -> int | None:
    """The number of the namespace that /proc/PID/ns/pid leads to (``pid:[4026531836]``, fs/proc/namespaces.c)."""
    return _number_of(target, _PID_NAMESPACE)


def _number_of(target: str, kind: str) -> int | None:
    number = target[len(kind) : -1] if target.startswith(kind) else ""
    return int(number) if number.isdecimal() and len(number) <= _MOST_DIGITS else None


def _number(word: bytes) -> int | None:
    return int(word) if word.isdigit() and len(word) <= _MOST_DIGITS else None
