"""Writes lines to a descriptor in a thread of its own: whoever has a line to say never waits for who is to read it.

Standard error is a pipe more often than not, and whoever reads it may stop to: a log driver, a full disk, ``less``.
"""

import logging
import os
import select
from collections import deque
from contextlib import suppress
from threading import Condition

log = logging.getLogger(__name__)

MAX_BYTES = 256 << 10
"""Of lines that wait."""


class Writer:
    """Lines on their way to *descriptor*; those that do not fit are counted and told later."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        """Waiting; the first may be partly written."""
        self._waiting = 0
        """Their bytes."""
        self._lost = 0
        self._changed = Condition()

    def put(self, line: str) -> None:
        """Have *line* written; does not block."""
        content = line.encode(errors="backslashreplace")
        with self._changed:
            if self._waiting + len(content) > MAX_BYTES:
                self._lost += 1
                return
            self._lines.append(content)
            self._waiting += len(content)
            self._changed.notify_all()

    def flush(self, seconds: float) -> None:
        """Wait until all is written, but no longer than that."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines, seconds)

    def run(self) -> None:
        """Write for ever; for the thread."""
        while True:
            with suppress(OSError):  # nobody reads any more, or the disk is full: there is nowhere to say so
                _write_all(self._descriptor, self._next())
            self._tell(self._written())

    def _next(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._lines)
            return self._lines[0]

    def _written(self) -> int:
        """Forget the line that was written; gives how many lines are lost, once half of the place is free."""
        with self._changed:
            self._waiting -= len(self._lines.popleft())
            lost = self._lost if self._waiting < MAX_BYTES // 2 else 0
            self._lost -= lost
            self._changed.notify_all()
            return lost

    def _tell(self, lost: int) -> None:
        if lost:
            log.warning("%d lines of the log were lost, since nobody read it", lost)


def _write_all(descriptor: int, content: bytes) -> None:
    """Also to what another process has made non-blocking. Raises OSError."""
    while content:
        try:
            content = content[os.write(descriptor, content) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
