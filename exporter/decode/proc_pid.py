"""What stands in /proc/PID about a process: its name, its cgroup, and what its descriptors are.

The lines of /proc/PID/cgroup (cgroups(7)), one for each hierarchy that the process is in:

    0::/system.slice/nginx.service                       version 2
    1:name=systemd:/system.slice/nginx.service           version 1, without controllers
    12:memory:/docker/0123...                            version 1
"""

_SOCKET = "socket:["


def comm(content: bytes) -> str:
    """The name of a process, which may be any bytes (comm): what is no UTF-8 is replaced."""
    return content.decode(errors="replace").removesuffix("\n")


def cgroup(content: bytes) -> str:
    """The cgroup that says most about a process: of version 2 if it is not the root, else the longest; or empty."""
    lines = [line.split(":", 2) for line in content.decode(errors="replace").splitlines()]
    paths = {hierarchy: path for hierarchy, _, path in (line for line in lines if len(line) == 3)}
    unified = paths.pop("0", "")
    return unified if len(unified) > 1 else max([unified, *paths.values()], key=len)


def socket_inode(target: str) -> int | None:
    """The inode of the socket that a link in /proc/PID/fd leads to (``socket:[4711]``, fs/proc), or None."""
    number = target[len(_SOCKET) : -1] if target.startswith(_SOCKET) else ""
    return int(number) if number.isdecimal() else None
