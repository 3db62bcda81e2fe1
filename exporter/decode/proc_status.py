"""What /proc/PID/status (proc_pid_status(5)) says of the privileges of a thread.

Five sets of capabilities (capabilities(7)), a bit for each, and whether system calls are filtered:

    CapInh: 0000000000000000     inheritable
    CapPrm: 000000c000000000     permitted
    CapEff: 000000c000000000     effective
    CapBnd: 000001ffffffffff     bounding
    CapAmb: 0000000000000000     ambient
    Seccomp: 2                   0 without, 1 strict, 2 with a filter
"""

from enum import IntEnum
from typing import NamedTuple


class Capability(IntEnum):
    """Those that are of use here, numbered as in include/uapi/linux/capability.h."""

    DAC_READ_SEARCH = 2
    SETPCAP = 8
    SYS_PTRACE = 19
    SYS_ADMIN = 21
    PERFMON = 38
    BPF = 39

    @property
    def label(self) -> str:
        """As in capabilities(7)."""
        return f"CAP_{self.name}"


class Privileges(NamedTuple):
    """Of a thread; the sets are bits."""

    inheritable: int = 0
    permitted: int = 0
    effective: int = 0
    bounding: int = 0
    ambient: int = 0
    is_filtered: bool = False
    """Whether a seccomp filter is in force."""

    def has(self, *wanted: Capability) -> bool:
        """Whether all of these are effective."""
        return all(self.effective >> capability & 1 for capability in wanted)


_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def privileges(text: str) -> Privileges:
    """What is not said is taken for none."""
    lines = dict(line.partition(":")[::2] for line in text.splitlines())
    inheritable, permitted, effective, bounding, ambient = (_bits(lines.get(name, "0")) for name in _SETS)
    is_filtered = lines.get("Seccomp", "0").strip() == "2"
    return Privileges(inheritable, permitted, effective, bounding, ambient, is_filtered)


def _bits(digits: str) -> int:
    try:
        return int(digits, 16)
    except ValueError:
        return 0
