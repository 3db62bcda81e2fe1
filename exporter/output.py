"""Standard output, written whole or not at all: a file that lacks its second half must not pass for an answer."""

import os
import sys
from contextlib import suppress

from exporter.errors import OutputError

_STANDARD = range(3)
"""Standard input, output and error."""


def occupy_closed() -> None:
    """Open standard descriptors that are closed, onto nothing: else the next socket would get the number of one."""
    for descriptor in _STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def write(content: bytes) -> None:
    """Write all of *content*. Raises OutputError, and BrokenPipeError if the reader has gone."""
    if sys.stdout is None:
        raise OutputError("cannot write to standard output: it is closed")
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def finish() -> None:
    """Write what a library has printed. Raises as ``write``."""
    if sys.stdout is not None:
        write(b"")


def complain(text: str) -> None:
    """Write to standard error; if that cannot be written to, there is nobody to complain to."""
    with suppress(OSError):
        os.write(2, text.encode(errors="backslashreplace"))
