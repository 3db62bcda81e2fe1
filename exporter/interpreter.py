"""How this Python runs: what suits a process that samples in one thread and answers in others, for months."""

import ctypes
import faulthandler
import gc
import sys

SWITCH_SECONDS = 0.0001
"""How long the sampling thread may keep the interpreter while a scrape waits. An answer gives the interpreter away with
each of some dozen system calls, so with Python's default of 5 ms it would wait for most of a sample."""

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 128 * 1024


def suit_a_daemon() -> None:
    """For the whole process, at the beginning."""
    sys.setswitchinterval(SWITCH_SECONDS)
    faulthandler.enable(2)  # who ends a process that hangs by SIGABRT, as systemd does, finds in the log where it hung
    _give_back_large_buffers()


def spare_the_collector() -> None:
    """What has been made until here stays for good: modules, tables, handlers."""
    gc.collect()
    gc.freeze()


def _give_back_large_buffers() -> None:
    """Have glibc map them one by one, as it does until the first is freed, and leaves it from then on (mallopt(3)).

    Tables of hundreds of thousands of sockets come and go; otherwise most of their memory would stay with the process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
