"""Starting a thread, which fails where the host gives no more of them."""

from collections.abc import Callable
from threading import Thread

from exporter.errors import StartError


def start(name: str, run: Callable[[], None]) -> Thread:
    """A thread that does *run*. Raises StartError."""
    thread = Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # pids.max, RLIMIT_NPROC, RLIMIT_AS
        raise StartError(
            f"cannot start a thread ({name}): there may be no more of them, or no memory for one"
        ) from error
    return thread
