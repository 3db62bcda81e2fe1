"""Accepting connections where accept(2) fails.

Tornado's accept loop knows two errors: nothing is left to accept, and a connection that ended in the queue. Any other
goes out into the event loop, which logs a traceback and calls again at once, for as long as the failure lasts.
"""

import errno
import logging
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from tornado.ioloop import IOLoop

from exporter.logs.seldom import Seldom

log = logging.getLogger(__name__)

REST_SECONDS = 1.0
"""How long nothing is accepted after a failure that closing a connection cannot mend."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener:
    """What Tornado's server needs of the socket *listening*.

    *make_room* closes a connection to free its descriptor, and says whether there was one to close.
    """

    def __init__(self, listening: socket.socket, make_room: Callable[[], bool]) -> None:
        self._socket, self._make_room = listening, make_room
        self._failing = False
        self._lines = Seldom()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def accept(self) -> tuple[socket.socket, Any]:
        """As ``socket.accept``. Raises BlockingIOError and ConnectionAbortedError, and no other OSError."""
        try:
            connection, address = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            raise
        except OSError as error:
            if self._is_asked() and not (error.errno in _EXHAUSTED and self._make_room()):
                self._rest(error)
            raise BlockingIOError from error
        self._failing = False
        return connection, address

    def _is_asked(self) -> bool:
        """Whether somebody waits. The kernel takes a descriptor first, so without one it fails also if nobody does."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def _rest(self, error: OSError) -> None:
        if not self._failing:
            self._warn(f"cannot accept connections: {error.strerror}")
        self._failing = True
        loop = IOLoop.current()
        loop.update_handler(self, 0)
        loop.call_later(REST_SECONDS, self._resume)

    def _warn(self, text: str) -> None:
        if line := self._lines.line(text, time.monotonic()):
            log.warning("%s", line)

    def _resume(self) -> None:
        if self.fileno() >= 0:  # it may have been closed in the meantime
            IOLoop.current().update_handler(self, IOLoop.READ)
