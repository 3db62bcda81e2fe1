"""When the next sample is due."""

from dataclasses import dataclass, replace

_RELAXES = 0.9
"""How fast a stretched interval comes back, per sample: one cheap sample is no proof that the next is."""


@dataclass(frozen=True)
class Pace:
    """Ticks *interval* seconds apart, or further where sampling would take more than *max_cpu* of one core.

    Ticks do not drift: each follows from the one before, not from when its sample ended.
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

    @property
    def allowance(self) -> float:
        """Seconds of processor time that a sample may take without stretching the interval."""
        return self.interval * self.max_cpu

    def after(self, now: float, cpu: float) -> "Pace":
        """The pace after a sample that ended at *now* and took *cpu* seconds of processor time."""
        interval = max(self.configured, cpu / self.max_cpu, self.interval * _RELAXES)
        due = self.due + interval
        missed = int((now - due) // interval) + 1 if due <= now else 0
        return replace(self, interval=interval, due=due + missed * interval, skipped=self.skipped + missed)

    def follow(self, configured: float, max_cpu: float, now: float) -> "Pace":
        """The pace by another configuration: a sample at once, then its interval."""
        return replace(self, configured=configured, max_cpu=max_cpu, interval=configured, due=now)


def start(configured: float, max_cpu: float, now: float) -> Pace:
    """A pace whose first sample is due *now*."""
    return Pace(configured, max_cpu, due=now, interval=configured)
