"""What /proc/PID/status (proc_pid_status(5)) says of privileges:

CapInh: 0000000000000000     inheritable, permitted, effective, bounding and ambient set of capabilities(7): a bit
CapPrm: 000000c000000000     for each
CapEff: 000000c000000000
CapBnd: 000001ffffffffff
CapAmb: 0000000000000000
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
    sets = (_bits(lines.get(name, "0")) for name in _SETS)
    return Privileges(*sets, is_filtered=lines.get("Seccomp", "0").strip() == "2")


def _bits(digits: str) -> int:
    try:
        return int(digits, 16)
    except ValueError:
        return 0
