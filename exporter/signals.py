"""The signals that the process minds, taken by a thread that does nothing else.

A handler in Python runs in the main thread, and there only between two steps: not while it waits for a name server, a
terminal or a full pipe. And until there is a handler, SIGHUP kills. So the signals are blocked before anything slow is
imported, which also keeps those that arrive in the meantime, and one thread waits for them.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread

GRACE_SECONDS = 1.6
"""How long an end in good order may take: two seconds are promised, on a busy machine too."""

TWICE_SECONDS = 0.1
"""Signals that follow each other that fast are one: timeout(1) sends one to its command and one to its whole group."""

_END = (signal.SIGTERM, signal.SIGINT)
_MINDED = (*_END, signal.SIGHUP)


class Signals:
    """SIGTERM and SIGINT end the process, at once if nobody follows them or if another one comes; SIGHUP waits.

    ``take``, ``release`` belong to the main thread, before it starts others.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._thread: Thread | None = None
        self._end: Callable[[], None] | None = None
        self._hang_up: Callable[[], object] | None = None
        self._hung_up = False
        """Whether there was a SIGHUP that nobody has followed yet."""

    def take(self, prepare: Callable[[], None] = lambda: None) -> bool:
        """Take the signals from now on, in this thread and those that it starts; False if no thread can be had.

        The thread that waits for them does first what it has to *prepare*.
        """
        if self._thread is None:
            signal.pthread_sigmask(signal.SIG_BLOCK, _MINDED)
            thread = Thread(target=self._run, args=[prepare], name="signals", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                self.release()
                return False
            self._thread = thread
        return True

    def release(self) -> None:
        """Let the signals do what they do to any program; also those that have arrived but SIGHUP."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _MINDED)

    def follow(self, end: Callable[[], None], hang_up: Callable[[], object]) -> None:
        """Call *end* and *hang_up* when they are asked for, also if that was before; neither may block."""
        with self._lock:
            self._end, self._hang_up = end, hang_up
            hung_up, self._hung_up = self._hung_up, False
        if hung_up:
            hang_up()

    def _run(self, prepare: Callable[[], None]) -> None:
        prepare()
        while (number := signal.sigwait(_MINDED)) == signal.SIGHUP:
            self._hear_hang_up()
        if self._end is None:
            _die(number)
        else:
            end_in_time(self._end)

    def _hear_hang_up(self) -> None:
        with self._lock:
            hang_up, self._hung_up = self._hang_up, self._hang_up is None
        if hang_up:
            with suppress(MemoryError):  # without this thread the process could not be ended any more
                hang_up()


def end_in_time(end: Callable[[], None], code: int = 0) -> None:
    """Ask for the *end* of the process, and bring it about when it takes too long, or when it is asked for again."""
    with suppress(RuntimeError):  # the event loop has ended already
        end()
    time.sleep(TWICE_SECONDS)
    while _comes_another(0):
        """It came with the first."""
    _comes_another(GRACE_SECONDS - TWICE_SECONDS)
    os._exit(code)


def _comes_another(seconds: float) -> bool:
    """Whether one that ends the process comes within so many *seconds*; none where that cannot be asked (macOS)."""
    if hasattr(signal, "sigtimedwait"):
        return signal.sigtimedwait(_END, seconds) is not None
    time.sleep(seconds)
    return False


def _die(number: int) -> None:
    """End the process as if *number* had never been blocked; the first process of a container needs to be told more."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    if signal.getsignal(number) is signal.SIG_DFL:
        os.kill(os.getpid(), number)
    os._exit(128 + number)
