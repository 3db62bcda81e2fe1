"""The processes of this host, and who each of them is."""

from pathlib import Path

from exporter.decode import proc_pid
from exporter.tcp.holders import NO_PROCESS, Process


def pids(proc: Path) -> list[int]:
    """All that are to be seen: none where there is no /proc, which is no reason to have no sample."""
    try:
        return sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal())
    except OSError:
        return []


def process(proc: Path, pid: int) -> Process:
    """The process by that number, which anybody may ask for (fs/proc/base.c). Raises OSError."""
    folder = proc / str(pid)
    name = proc_pid.comm((folder / "comm").read_bytes())
    return Process(pid, name, proc_pid.cgroup((folder / "cgroup").read_bytes()))


def named(pid: int) -> Process:
    """The process by that number on any system, without its cgroup; NO_PROCESS if it is gone or not ours to see."""
    import psutil  # noqa: PLC0415 - only a source that uses it knows a pid

    try:
        return Process(pid, psutil.Process(pid).name(), "")
    except psutil.Error:
        return NO_PROCESS
