"""Sources and times that tests script."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from exporter.kernel.choice import Make
from exporter.sampling.clocks import Clocks
from exporter.tcp.columns import batches, unpacked
from exporter.tcp.reading import NOTHING_BESIDES, Asked, Batch, Reading
from exporter.tcp.sockets import Listener, Socket
from exporter.tcp.states import State

LISTENERS = [Listener(8080, 0, 128)]
CLOSE_WAIT = Socket(State.CLOSE_WAIT, 8080, 40000, bytes(32), cookie=1, inode=11)


class Script:
    """A source that does in turn what *acts* say; None is a good reading, which is also what follows the last.

    A reading shows *sockets*; one that fails does so after it has shown them.
    """

    def __init__(self, name: str, acts: Sequence[Exception | None] = (), sockets: Sequence[Socket] = ()) -> None:
        self.name = name
        self._acts = list(acts)
        self._sockets = sockets
        self.silences: list[bool] = []
        self.closed = False

    @contextmanager
    def reading(self, asked: Asked = NOTHING_BESIDES) -> Iterator[Reading]:
        self.silences.append(asked.silences)
        yield Reading(LISTENERS, self._batches(self._acts.pop(0) if self._acts else None), unpacked)

    def _batches(self, act: Exception | None) -> Iterator[Batch]:
        yield from batches(self._sockets)
        if act is not None:
            raise act

    def close(self) -> None:
        self.closed = True


class Time:
    """All clocks; a number that tests move."""

    now = 1000.0
    cpu = 0.0

    def clocks(self) -> Clocks:
        return Clocks(monotonic=lambda: self.now, wall=lambda: self.now + 1e9, cpu=lambda: self.cpu)


class Sources:
    """Gives *scripts* for whatever is chosen, and remembers what was."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self.asked: list[tuple[str, bool]] = []

    def __call__(self, choice: str, everywhere: bool) -> Sequence[Make]:  # noqa: FBT001 - as candidates
        self.asked.append((choice, everywhere))
        return [_giving(script) for script in self._scripts]


def _giving(script: Script) -> Callable[[], Script]:
    return lambda: script
