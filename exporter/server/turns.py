"""Who may do the next thing, of many who want to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TurnedAway(Exception):
    """So many wait that this one has to go."""


class Turns:
    """One at a time; who waits comes by turns of the origins, each of which waits in a queue of its own.

    At most so many *places* are for those who wait. When there is none left, whoever has most of them gives up one, so
    that nobody can keep others from their turn.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._queues: dict[str, list[asyncio.Future[None]]] = {}
        """By origin, that whose turn it is first; none is empty."""
        self._taken = False

    @asynccontextmanager
    async def turn(self, origin: str) -> AsyncIterator[None]:
        """A turn for one from *origin*, which others wait for until the block ends. Raises TurnedAway."""
        if self._taken:
            await self._wait(origin)
        self._taken = True
        try:
            yield
        finally:
            self._taken = False
            self._call_next()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._queues.values()))

    def close(self) -> None:
        """Turn all away who wait."""
        while self._queues:
            self._turn_away()

    async def _wait(self, origin: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(origin, []).append(turn)
        if self.waiting > self._places:
            self._turn_away()
        await turn

    def _turn_away(self) -> None:
        """The last of the longest queue; of equals, that which came last."""
        origin = max(reversed(self._queues), key=lambda one: len(self._queues[one]))
        queue = self._queues[origin]
        _end(queue.pop(), TurnedAway())
        if not queue:
            del self._queues[origin]

    def _call_next(self) -> None:
        """Whose turn it is next goes behind all others; it holds the turn from now on, lest a newcomer takes it."""
        if self._queues:
            origin = next(iter(self._queues))
            first, *others = self._queues.pop(origin)
            if others:
                self._queues[origin] = others
            self._taken = True
            _end(first)


def _end(waiting: asyncio.Future[None], error: Exception | None = None) -> None:
    if waiting.done():  # cancelled, when everything ends
        return
    if error:
        waiting.set_exception(error)
    else:
        waiting.set_result(None)
