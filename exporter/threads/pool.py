"""Some threads that share the work.

A pool that starts its threads with the first work fails late, where no thread can be had (pids.max), and one that is
joined at exit lets whatever it does hold up the end of the process. This one does neither.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Condition
from typing import TypeVar

from exporter.threads.started import start

Value = TypeVar("Value")


class Busy(Exception):
    """As much work waits as may, or no more is done."""


class Pool:
    """So many threads, which are there from the beginning. Raises StartError.

    At most *waiting* pieces of work wait for one of them.
    """

    def __init__(self, name: str, number: int, waiting: int) -> None:
        self._waiting = waiting
        self._work: deque[Callable[[], None]] = deque()
        self._closed = False
        self._changed = Condition()
        for _ in range(number):
            start(name, self._run)

    def submit(self, do: Callable[[], Value]) -> Future[Value]:
        """What *do* gives or raises, when a thread has done it. Raises Busy."""
        future: Future[Value] = Future()
        with self._changed:
            if self._closed or len(self._work) >= self._waiting:
                raise Busy
            self._work.append(partial(_settle_if_wanted, future, do))
            self._changed.notify()
        return future

    def close(self) -> None:
        """End the threads when they have done what they were given."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while do := self._next():
            do()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._work or self._closed)
            return self._work.popleft() if self._work else None


def _settle_if_wanted(future: Future[Value], do: Callable[[], Value]) -> None:
    if future.set_running_or_notify_cancel():
        settle(future, do)


def settle(future: Future[Value], do: Callable[[], Value]) -> None:
    """Do it; whatever that raises goes to whoever asked, and the thread goes on."""
    try:
        value = do()
    except BaseException as error:  # noqa: BLE001 - see above
        future.set_exception(error)
    else:
        future.set_result(value)
