"""The processes of this host, and who each of them is."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from exporter.decode import proc_pid
from exporter.tcp.holders import NO_PROCESS, Process

INIT = 1
"""The first process of a PID namespace, which inherits whoever loses its parent: all are its children, none its kin."""
FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""The number of the host's own (PROC_PID_INIT_INO in include/linux/proc_ns.h)."""
THREADS = 64
"""Of a process at most that are asked for their children."""


def pids(proc: Path) -> list[int]:
    """All that are to be seen: none where there is no /proc, which is no reason to have no sample."""
    try:
        return listed(proc)
    except OSError:
        return []


def listed(proc: Path) -> list[int]:
    """The same. Raises OSError."""
    return sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal())


def process(proc: Path, pid: int) -> Process:
    """The process by that number, which anybody may ask for (fs/proc/base.c). Raises OSError."""
    cgroup = proc_pid.cgroup((proc / str(pid) / "cgroup").read_bytes())
    return Process(pid, name(proc, pid), cgroup, _life(proc, pid).started)


def name(proc: Path, pid: int) -> str:
    """Of the process by that number. Raises OSError."""
    return proc_pid.comm((proc / str(pid) / "comm").read_bytes())


def descriptors(proc: Path, pid: int) -> int:
    """How many the process has open, also one of another user; 0 before Linux 6.2. Raises OSError."""
    return (proc / str(pid) / "fd").stat().st_size


def descriptor_limit(proc: Path, pid: int) -> int | None:
    """How many the process may have open, also one of another user; None if that is not told. Raises OSError."""
    return proc_pid.descriptor_limit((proc / str(pid) / "limits").read_bytes())


def network(proc: Path, pid: int | str) -> int:
    """Tells the network namespace of the process from all others, to anybody. Raises OSError.

    The number of the namespace itself is for those who may look into the process; but each has files of its own below
    /proc/PID/net, with inodes of their own (proc_alloc_inum in fs/proc/generic.c).
    """
    return (proc / str(pid) / "net" / "sockstat").stat().st_ino


def exists(proc: Path, pid: int) -> bool:
    """Whether there is a process by that number, which is much cheaper to ask than whether it is the same still."""
    return os.access(f"{proc}/{pid}", os.F_OK)


def ended(proc: Path, known: Iterable[Process]) -> set[Process]:
    """Those of the *known* that are no more, also where another has the number now; not those of unknown start."""
    return {one for one in known if one.started and not _is_alive(proc, one)}


def _is_alive(proc: Path, known: Process) -> bool:
    try:
        life = _life(proc, known.pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:  # such as that there is no descriptor left: that says nothing of the process
        return True
    return not life.is_dead and life.started in {known.started, 0}


def _life(proc: Path, pid: int) -> proc_pid.Life:
    return proc_pid.life((proc / str(pid) / "stat").read_bytes())


def family(proc: Path, pid: int) -> list[int]:
    """Those that may have got sockets of the process by fork(2), or it theirs: children, parent, the parent's others.

    The children are known where the kernel tells them (CONFIG_PROC_CHILDREN).
    """
    try:
        parent = _life(proc, pid).parent
    except OSError:
        return []
    elders = [parent, *_children(proc, parent)] if parent > INIT else []
    return [*_children(proc, pid), *elders]


def _children(proc: Path, pid: int) -> Iterator[int]:
    for thread in islice(pids(proc / str(pid) / "task"), THREADS):
        try:
            content = (proc / str(pid) / "task" / str(thread) / "children").read_bytes()
        except OSError:
            continue
        yield from proc_pid.pids(content)


def is_in_namespace(proc: Path) -> bool:
    """Whether we are in a PID namespace within the host's, which hides all processes outside."""
    try:
        number = proc_pid.pid_namespace(str((proc / "self" / "ns" / "pid").readlink()))
    except OSError:
        return False
    return number not in {FIRST_PID_NAMESPACE, None}


def named(pid: int) -> Process:
    """The process by that number on any system, without its cgroup; NO_PROCESS if it is gone or not ours to see."""
    import psutil  # noqa: PLC0415 - only a source that uses it knows a pid

    try:
        return Process(pid, psutil.Process(pid).name(), "")
    except (psutil.Error, OSError, ValueError):
        return NO_PROCESS
