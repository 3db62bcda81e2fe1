"""Ways to run a command where it sees less than on Linux. As a module: where it may not open netlink sockets.

    python -m tests.lab.sandbox [--bpf] COMMAND [ARGUMENT ...]

With --bpf it may do so, but not call bpf(2). That is what a strict seccomp profile does. The filter is for the
classic BPF machine in the kernel, over struct seccomp_data: the number of the system call is at offset 0, its first
argument at offset 16 (include/uapi/linux/seccomp.h).
"""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys
from collections.abc import Sequence

GVISOR: Sequence[str] = ("runsc", "--network=none", "do")
"""For a command on a kernel that is not Linux, with nothing but loopback. The files are those of the host."""

_EMPTY_TABLES = """
set -e
mount -t tmpfs none /proc
mkdir -p /proc/self/net
touch /proc/self/net/tcp /proc/self/net/tcp6
exec "$@"
"""

WITHOUT_TABLES: Sequence[str] = ("unshare", "--mount", "sh", "-c", _EMPTY_TABLES, "sh")
"""For a command that finds the tables of sockets empty, without a heading, as in WSL 1."""

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_FAIL = 0x00050000 | errno.EPERM

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_SOCKET_CALL = {"x86_64": 41, "aarch64": 198}
_BPF_CALL = {"x86_64": 321, "aarch64": 280}

_Program = Sequence[tuple[int, int, int, int]]


def _without_netlink() -> _Program:
    """Return EPERM for socket(AF_NETLINK, ...), allow all else."""
    return [
        (_LOAD, 0, 0, 0),
        (_EQUAL, 0, 3, _SOCKET_CALL[platform.machine()]),
        (_LOAD, 0, 0, 16),
        (_EQUAL, 0, 1, socket.AF_NETLINK),
        (_RETURN, 0, 0, _FAIL),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _without_bpf() -> _Program:
    """Return EPERM for bpf(...), allow all else."""
    return [
        (_LOAD, 0, 0, 0),
        (_EQUAL, 0, 1, _BPF_CALL[platform.machine()]),
        (_RETURN, 0, 0, _FAIL),
        (_RETURN, 0, 0, _ALLOW),
    ]


def forbid(filtered: _Program) -> None:
    """For this process and all that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in filtered))
    described = struct.pack("@HP", len(program.raw) // 8, ctypes.addressof(program))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    is_bpf = sys.argv[1] == "--bpf"
    forbid(_without_bpf() if is_bpf else _without_netlink())
    command = sys.argv[1 + is_bpf :]
    os.execvp(command[0], command)
