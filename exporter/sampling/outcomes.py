"""Which outcomes of samples are worth a line of the log."""

from dataclasses import dataclass

from exporter.logs.seldom import Credit


@dataclass(frozen=True)
class Failure:
    """Why a sample failed."""

    reason: str
    """One of REASONS."""
    message: str


class Outcomes:
    """Compares each outcome with the one before: a failure that repeats, and one that comes and goes, fill no log."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._changes = 0
        """That nobody has been told of."""
        self._credit = Credit()

    def line(self, failure: Failure | None, now: float) -> str | None:
        """What to say at the monotonic time *now*, if anything."""
        reason = failure.reason if failure else None
        self._changes += reason != self._reason
        self._reason = reason
        if not self._changes or not self._credit.spend(now):
            return None
        changes, self._changes = self._changes, 0
        return _said(failure) + (f", after {changes - 1} changes that are not told" if changes > 1 else "")


def _said(failure: Failure | None) -> str:
    return f"samples fail, reason {failure.reason}: {failure.message}" if failure else "samples succeed again"
