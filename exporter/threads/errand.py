"""Something that is done for whoever asks, one time after the other."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition

from exporter.threads.pool import settle
from exporter.threads.started import start


class Errand:
    """Does *do* in a thread of its own, which is there from the beginning. Raises StartError.

    Who asks while it is being done gets the next time: what they get was begun after they had asked. However many do
    share that time, and *rest* seconds later is the earliest for another.
    """

    def __init__(self, name: str, do: Callable[[], None], rest: float) -> None:
        self._do, self._rest = do, rest
        self._next: Future[None] | None = None
        self._changed = Condition()
        start(name, self._run)

    def ask(self) -> Future[None]:
        """Have it done; does not block. The future cannot be cancelled, since others may have it too."""
        with self._changed:
            if self._next is None:
                self._next = Future()
                self._next.set_running_or_notify_cancel()  # and what runs cannot be cancelled
                self._changed.notify()
            return self._next

    def _run(self) -> None:
        while True:
            settle(self._taken(), self._do)
            time.sleep(self._rest)

    def _taken(self) -> Future[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._next)
            taken, self._next = self._next, None
            assert taken is not None  # noqa: S101 - that was waited for
            return taken
