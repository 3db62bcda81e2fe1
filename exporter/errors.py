"""What can go wrong, divided by what the caller does next.

ExporterError
├── SourceUnavailable   this source cannot work here: use the next one
├── SampleError         this sample is lost: count it under its reason, keep the last census, go on
│   ├── Truncated, Malformed, Interrupted, TimedOut, KernelRefused, ReadFailed
├── ConfigError         the user has to mend a file: print every fault, exit 2
├── StartError          the daemon cannot start: print one line, exit 1
└── OutputError         what was asked for cannot be written: print one line, exit 1
"""

from dataclasses import dataclass
from typing import ClassVar


class ExporterError(Exception):
    """Never raised itself."""


class SourceUnavailable(ExporterError):
    """The source does not work on this host, or not with these rights; the message says why."""


class SampleError(ExporterError):
    """One sample failed. *reason* is the value of the label in tcpstate_sample_failures_total."""

    reason: ClassVar[str]


class Truncated(SampleError):
    """The answer ended before it was complete, so its counts would be too low."""

    reason = "truncated"


class Malformed(SampleError):
    """The answer does not have the form that the kernel documents; the message quotes it."""

    reason = "malformed"


class Interrupted(SampleError):
    """The kernel said that the table changed under the dump (NLM_F_DUMP_INTR)."""

    reason = "interrupted"


class TimedOut(SampleError):
    """The kernel did not answer in time."""

    reason = "timeout"


class KernelRefused(SampleError):
    """The kernel answered with an error number, kept in *errno*."""

    reason = "refused"

    def __init__(self, message: str, errno: int) -> None:
        super().__init__(message)
        self.errno = errno


class ReadFailed(SampleError):
    """The system call or the file failed."""

    reason = "read"


SAMPLE_ERRORS: tuple[type[SampleError], ...] = (
    Truncated,
    Malformed,
    Interrupted,
    TimedOut,
    KernelRefused,
    ReadFailed,
)


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a configuration file."""

    path: str
    """Where: a dotted path such as ``ports.server[2]``, or ``line 3, column 7``."""
    message: str
    """What was expected and what was found."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigError(ExporterError):
    """A configuration file has *faults*, all of them, in the order of the file."""

    def __init__(self, file: str, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(f"{file}: {fault}" for fault in faults))
        self.file = file
        self.faults = faults


class StartError(ExporterError):
    """The daemon cannot start; the message is one line for the person who started it."""


class OutputError(ExporterError):
    """Standard output cannot be written to; the message says why."""
