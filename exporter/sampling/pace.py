"""When the next sample is due."""

from dataclasses import dataclass, replace

PAID_WITHIN = 60.0
"""Seconds in which a debt is paid, while samples go on."""
OWED_SECONDS = 30.0
"""What sampling may take in so many seconds, it may owe at most; for what is beyond, the next sample waits."""


@dataclass(frozen=True)
class Pace:
    """Ticks *interval* seconds apart, or further where sampling would take more than *max_cpu* of one core.

    Ticks do not drift: each follows from the one before, not from when its sample ended.

    What two samples in turn take is what samples take. What one takes beyond that, to look through all cgroups or to
    find the first owners, comes once in a while: it is owed, and paid by and by. So whatever samples take, in no time
    is more spent than *max_cpu* of it and what may be owed.
    """

    configured: float
    max_cpu: float
    """Share of one core, 0 to 1."""
    due: float
    """When the next sample is due, on the caller's clock."""
    interval: float
    """Seconds between ticks now in force."""
    skipped: int = 0
    """Ticks that passed while a sample was still being taken, ever."""
    last: float = 0.0
    """Seconds of processor time that the last sample took."""
    owed: float = 0.0
    """Seconds of processor time that the share has not paid for when the next sample is due."""

    @property
    def allowance(self) -> float:
        """Seconds of processor time that a sample may take without stretching the configured interval."""
        return self.configured * self.max_cpu

    def after(self, now: float, cpu: float) -> "Pace":
        """The pace after a sample that ended at *now* and took *cpu* seconds of processor time."""
        interval = self._interval(min(self.last, cpu), self.owed + cpu)
        due = self.due + interval
        missed = int((now - due) // interval) + 1 if due <= now else 0
        due += missed * interval
        owed = max(0.0, self.owed + cpu - self.max_cpu * (due - self.due))
        return replace(self, interval=interval, due=due, skipped=self.skipped + missed, last=cpu, owed=owed)

    def _interval(self, usual: float, owed: float) -> float:
        """Seconds in which the share pays for a *usual* sample and a part of what is *owed* besides."""
        most = self.max_cpu * OWED_SECONDS
        paid = min(owed - usual, most) / PAID_WITHIN
        return max(self.configured, usual / (self.max_cpu - paid), (owed - most) / self.max_cpu)

    def follow(self, configured: float, max_cpu: float, now: float) -> "Pace":
        """The pace by another configuration: a sample at once, then its interval; what is owed by then stays so."""
        unpaid = self.owed + self.max_cpu * max(0.0, self.due - now)
        owed = unpaid / self.max_cpu * max_cpu
        return replace(self, configured=configured, max_cpu=max_cpu, interval=configured, due=now, owed=owed)


def start(configured: float, max_cpu: float, now: float) -> Pace:
    """A pace whose first sample is due *now*."""
    return Pace(configured, max_cpu, due=now, interval=configured)
