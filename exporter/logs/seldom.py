"""What somebody can cause again and again without filling the log: a few lines at once, then one in a while."""

import math

AT_ONCE = 4
"""Lines that are told as they come."""
REST_SECONDS = 60.0
"""After that, one in so many seconds."""


class Credit:
    """How many lines may still be told. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._left = float(AT_ONCE)
        self._counted_at = -math.inf

    def spend(self, now: float) -> bool:
        """Whether one more may be told at *now*."""
        self._left = min(AT_ONCE, self._left + (now - self._counted_at) / REST_SECONDS)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Seldom:
    """Lines of one kind; the next that is told says how many before it were not."""

    def __init__(self) -> None:
        self._credit = Credit()
        self._passed_over = 0

    def line(self, text: str, now: float) -> str | None:
        """What to say at *now* in place of *text*, if anything."""
        if not self._credit.spend(now):
            self._passed_over += 1
            return None
        passed_over, self._passed_over = self._passed_over, 0
        return f"{text}, after {passed_over} lines like it that are not told" if passed_over else text
