"""The exporter with something wrong that cannot be brought about from outside. As a module: with the fault FAULT.

    python -m tests.lab.faults FAULT=[FILE] PYTHON -m exporter [FLAG ...]

Some faults are there only as long as FILE is.
"""

import importlib
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from itertools import count
from pathlib import Path
from typing import Any

from exporter.errors import TimedOut

SLOW_SECONDS = 2.0
"""How long the program takes to be loaded with the fault ``slow_disk``."""


def within(fault: str, file: Path | None = None) -> Sequence[str]:
    """The beginning of a command line that runs the exporter with this *fault*."""
    return (sys.executable, "-m", "tests.lab.faults", f"{fault}={file or ''}")


def _nothing() -> None:
    pass


def _around(place: str, name: str, before: Callable[[], None] = _nothing, after: Callable[[], None] = _nothing) -> None:
    """Do something *before* or *after* whenever that function or method does what it does."""
    holder, _, method = place.partition(":")
    owner: Any = importlib.import_module(holder)
    owner = getattr(owner, method) if method else owner
    plain = getattr(owner, name)

    def around(*arguments: Any, **options: Any) -> Any:
        before()
        found = plain(*arguments, **options)
        after()
        return found

    setattr(owner, name, around)


def met(file: Path) -> Path:
    """A file that is there once somebody waits for FILE to go."""
    return file.with_name(f"{file.name}.met")


def _wait_until_gone(file: Path) -> None:
    while file.exists():
        met(file).touch()
        time.sleep(0.01)


def _raise(error: BaseException) -> None:
    raise error


def read_hangs(file: Path) -> None:
    """As a read of a file in a broken file system."""
    _around("exporter.sampling.sample:Sampling", "take", lambda: _wait_until_gone(file))


def reload_hangs(file: Path) -> None:
    _around("exporter.settings.config", "named", lambda: _wait_until_gone(file))


def reload_fails(file: Path) -> None:
    """By a mistake of the exporter's."""
    _around("exporter.settings.config", "named", lambda: _raise(ZeroDivisionError("odd")) if file.exists() else None)


def sampler_exits(file: Path) -> None:
    _around("exporter.sampling.sample:Sampling", "take", lambda: _raise(SystemExit("odd")) if file.exists() else None)


def sampler_has_no_memory(file: Path) -> None:
    """Not even to note how a sample went."""
    _around("exporter.sampling.sampler:Sampler", "_note", lambda: _raise(MemoryError()) if file.exists() else None)


def samples_are_mistaken(_: Path) -> None:
    _around("exporter.sampling.sample:Sampling", "take", lambda: _raise(ZeroDivisionError("odd")))


def samples_fail_by_turns(_: Path) -> None:
    numbers = count()
    errors = TimedOut("slow"), None, ZeroDivisionError("odd"), None, OSError(5, "broken")
    _around(
        "exporter.sampling.sample:Sampling",
        "take",
        lambda: _raise(error) if (error := errors[next(numbers) % len(errors)]) else None,
    )


def samples_cost(_: Path) -> None:
    """A tenth of a second of processor time each."""

    def burn() -> None:
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass

    _around("exporter.sampling.sample:Sampling", "take", burn)


def stopped_after_sample(_: Path) -> None:
    """By SIGSTOP, between the sample and what is made of it."""
    _around("exporter.sampling.sample:Sampling", "take", after=lambda: os.kill(os.getpid(), signal.SIGSTOP))


def slow_disk(_: Path) -> None:
    class Slow(MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name == "exporter.cli":
                time.sleep(SLOW_SECONDS)

    sys.meta_path.insert(0, Slow())


FAULTS: dict[str, Callable[[Path], None]] = {
    made.__name__: made
    for made in (
        read_hangs,
        reload_hangs,
        reload_fails,
        sampler_exits,
        sampler_has_no_memory,
        samples_are_mistaken,
        samples_fail_by_turns,
        samples_cost,
        stopped_after_sample,
        slow_disk,
    )
}

if __name__ == "__main__":
    fault, _, path = sys.argv[1].partition("=")
    FAULTS[fault](Path(path))
    sys.argv[1:] = sys.argv[5:]
    runpy.run_module("exporter", run_name="__main__", alter_sys=True)
