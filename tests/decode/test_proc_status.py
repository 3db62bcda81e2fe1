"""Privileges from /proc/PID/status."""

from exporter.decode.proc_status import Capability, Privileges, privileges

STATUS = """\
Name:	python3
Umask:	0022
State:	R (running)
Tgid:	4711
CapInh:	0000000800000000
CapPrm:	000000c000080004
CapEff:	000000c000000000
CapBnd:	000001ffffffffff
CapAmb:	0000000000000001
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	1
"""


def test_the_five_sets_and_the_filter_are_told() -> None:
    found = privileges(STATUS)

    assert found == Privileges(0x800000000, 0xC000080004, 0xC000000000, 0x1FFFFFFFFFF, 1, is_filtered=True)
    assert found.has(Capability.BPF, Capability.PERFMON)
    assert not found.has(Capability.BPF, Capability.SYS_PTRACE)


def test_what_is_not_said_is_none() -> None:
    assert privileges("") == Privileges()
    assert privileges("CapEff:\n") == privileges("CapEff: many\n") == Privileges()
    assert not privileges(STATUS.replace("Seccomp:	2", "Seccomp:	0")).is_filtered
