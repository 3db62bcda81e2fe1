"""What the log says of an exception: how it came about once, and then only that it came again, now and then."""

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

REST_SECONDS = 60.0
"""How long one kind of exception is not mentioned again."""
MAX_KINDS = 100
"""The oldest is forgotten first."""

_ENVIRONMENT = (OSError, MemoryError)
"""What the host does to a program. That is no mistake whose way through the program would tell anything."""


@dataclass
class _Kind:
    """Exceptions of one type from one place."""

    told_at: float
    passed_over: int = 0


class Mistakes:
    """Remembers which kinds of exceptions have been told, by *clock*."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[tuple[type, str], _Kind] = {}

    def said(self, error: BaseException) -> Mapping[str, str] | None:
        """The fields of the line about *error*; None if it is not to be told, since one like it just was."""
        place, now = _place(error), self._clock()
        known = self._kinds.get((type(error), place))
        if known and now - known.told_at < REST_SECONDS:
            known.passed_over += 1
            return None
        self._remember((type(error), place), _Kind(now))
        passed_over = {"passed_over": str(known.passed_over)} if known and known.passed_over else {}
        if known or isinstance(error, _ENVIRONMENT):
            return {"error": f"{type(error).__name__}: {error}", "at": place, **passed_over}
        return {"traceback": "".join(traceback.format_exception(error)).rstrip()}

    def _remember(self, key: tuple[type, str], kind: _Kind) -> None:
        self._kinds.pop(key, None)
        self._kinds[key] = kind
        if len(self._kinds) > MAX_KINDS:
            del self._kinds[next(iter(self._kinds))]


def _place(error: BaseException) -> str:
    """File and line that raised it; empty where that is not known."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"{frames[0].filename.rpartition('/')[2]}:{frames[0].lineno}" if frames else ""
