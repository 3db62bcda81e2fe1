"""Going into another network namespace and back, by one thread (setns(2)).

It takes CAP_SYS_ADMIN, in the user namespaces of both. A socket stays in the namespace that it was made in.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000
"""As of linux/sched.h."""
_OURS = "/proc/thread-self/ns/net"


class Astray(BaseException):
    """A thread could not go back: all that it reads from now on would be another's. The process has to end."""


@contextmanager
def entered(descriptor: int) -> Iterator[None]:
    """Be in the namespace that *descriptor* leads to. Raises OSError if that may not be, and Astray at the end."""
    home = os.open(_OURS, os.O_RDONLY)
    try:
        _setns(descriptor)
        try:
            yield
        finally:
            _return(home)
    finally:
        os.close(home)


def _return(home: int) -> None:
    try:
        _setns(home)
    except OSError as error:
        raise Astray(f"cannot go back into the own network namespace: {error}") from error


def _setns(descriptor: int) -> None:
    """os.setns() of Python 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
