"""Runs a command that may not open netlink sockets, as under a strict seccomp profile.

    python -m tests.lab.sandbox COMMAND [ARGUMENT ...]

The filter is a program for the kernel's classic BPF machine over struct seccomp_data: the number of the system call is
at offset 0, its first argument at offset 16 (include/uapi/linux/seccomp.h).
"""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_FAIL = 0x00050000 | errno.EPERM

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_SOCKET_CALL = {"x86_64": 41, "aarch64": 198}


def _program() -> bytes:
    """Return EPERM for socket(AF_NETLINK, ...), allow all else."""
    instructions = [
        (_LOAD, 0, 0, 0),
        (_EQUAL, 0, 3, _SOCKET_CALL[platform.machine()]),
        (_LOAD, 0, 0, 16),
        (_EQUAL, 0, 1, socket.AF_NETLINK),
        (_RETURN, 0, 0, _FAIL),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *one) for one in instructions)


def forbid_netlink() -> None:
    """For this process and all that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    program = ctypes.create_string_buffer(_program())
    described = struct.pack("@HP", len(program.raw) // 8, ctypes.addressof(program))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    forbid_netlink()
    os.execvp(sys.argv[1], sys.argv[1:])
