"""What this thread may do beyond what its user may, and giving that up.

Capabilities are a thread's own (capabilities(7)), and a new thread has those of the one that starts it: what the main
thread gives up before there are others, the whole process is without.
"""

import ctypes
import os
import struct
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from exporter.decode import proc_status
from exporter.decode.proc_status import Capability, Privileges
from exporter.decode.release import release

BPF_WITHOUT_PRIVILEGES = (5, 19)
"""Since this Linux, programs that are loaded can be run without any; before, CAP_BPF is needed for that."""
FOR_NAMES = frozenset({Capability.SYS_PTRACE, Capability.DAC_READ_SEARCH})
"""Which processes of other users have a socket."""
FOR_BPF = (Capability.BPF, Capability.PERFMON)
"""To load programs."""

_STATUS = Path("/proc/thread-self/status")
_VERSION_3 = 0x20080522
_HEADER = struct.Struct("=Ii")
_DATA = struct.Struct("=6I")  # effective, permitted, inheritable, of the first 32 capabilities and of the others
_WORD = 0xFFFFFFFF

_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4

_libc = ctypes.CDLL(None, use_errno=True)


def held() -> Privileges:
    """Those of this thread; none where the system does not tell."""
    try:
        return proc_status.privileges(_STATUS.read_text())
    except OSError:
        return Privileges()


def is_bpf_granted(privileges: Privileges) -> bool:
    """Whether somebody wants programs to be loaded: full root alone says nothing of that."""
    return privileges.has(*FOR_BPF) and not privileges.has(Capability.SYS_ADMIN)


def needed_later(kernel: str | None = None) -> frozenset[Capability]:
    """What samples need when all programs have been loaded, by the release of the *kernel*, by default this one."""
    before = release(kernel or os.uname().release) < BPF_WITHOUT_PRIVILEGES
    return FOR_NAMES | {Capability.BPF} if before else FOR_NAMES


def drop(keep: Collection[Capability]) -> Privileges:
    """Give up for good all but those that are to be kept, as far as they are held; what is left.

    Neither this thread nor any that it starts from now on can have more again, nor can a program that they start.
    Raises OSError.
    """
    before = held()
    kept = before.permitted & sum(1 << capability for capability in set(keep))
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    if before.has(Capability.SETPCAP):
        _bound(before.bounding & ~kept)
    _check(_libc.capset(_HEADER.pack(_VERSION_3, 0), _DATA.pack(*_words(kept))))
    return held()


def give_up_all() -> None:
    """Give up all of them, if this thread can: it has no use for any."""
    with suppress(OSError):
        drop(())


def _bound(unwanted: int) -> None:
    """Take these out of the bounding set."""
    for number in range(unwanted.bit_length()):
        if unwanted >> number & 1:
            _check(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0))


def _words(kept: int) -> tuple[int, ...]:
    low, high = kept & _WORD, kept >> 32
    return low, low, 0, high, high, 0


def _check(answer: int) -> None:
    if answer:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot give up privileges: {os.strerror(number)}")
