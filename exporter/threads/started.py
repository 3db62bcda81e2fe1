"""Starting a thread, which fails where the host gives no more of them."""

from collections.abc import Callable
from threading import Thread

from exporter.errors import StartError


def start(name: str, *steps: Callable[[], None]) -> Thread:
    """A thread that does these *steps*. Raises StartError."""
    thread = Thread(target=_do, args=steps, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # pids.max, RLIMIT_NPROC, RLIMIT_AS
        raise StartError(
            f"cannot start a thread ({name}): there may be no more of them, or no memory for one"
        ) from error
    return thread


def _do(*steps: Callable[[], None]) -> None:
    for step in steps:
        step()
