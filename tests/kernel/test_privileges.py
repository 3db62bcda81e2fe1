"""Privileges that are held, and given up: by processes of their own, with all of their threads."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter.decode.proc_status import Capability, Privileges, privileges
from exporter.kernel.privileges import held, is_bpf_granted, needed_later
from tests.lab.daemon import ROOT

pytestmark = pytest.mark.kernel

BPF, PERFMON = 1 << Capability.BPF, 1 << Capability.PERFMON
ADMIN, PTRACE = 1 << Capability.SYS_ADMIN, 1 << Capability.SYS_PTRACE

_SCRIPT = """
import json, os, sys, threading
from pathlib import Path
from exporter.decode.proc_status import Capability
from exporter.kernel import privileges

before = privileges.held()
privileges.drop([Capability(int(number)) for number in sys.argv[1].split(",") if number])
with_threads = threading.Barrier(3)
for _ in range(2):
    threading.Thread(target=lambda: [with_threads.wait() for _ in range(2)], daemon=True).start()
with_threads.wait()
print(json.dumps([Path(f"/proc/self/task/{task}/status").read_text() for task in os.listdir("/proc/self/task")]))
with_threads.wait()
"""


def dropped(keep: Sequence[Capability], within: Sequence[str] = ()) -> list[str]:
    """/proc/PID/status of each thread of a process that has given up all but what it is to *keep*."""
    command = [*within, sys.executable, "-c", _SCRIPT, ",".join(map(str, map(int, keep)))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    found: list[str] = json.loads(done.stdout)
    assert len(found) == 3
    return found


def test_every_thread_that_is_started_later_is_without_what_was_given_up() -> None:
    for status in dropped([]):
        left = privileges(status)
        assert (left.effective, left.permitted, left.inheritable, left.ambient, left.bounding) == (0, 0, 0, 0, 0)


def test_what_is_kept_is_kept_and_nothing_else() -> None:
    for status in dropped([Capability.SYS_PTRACE, Capability.DAC_READ_SEARCH]):
        left = privileges(status)
        assert left.effective == left.permitted == left.bounding == PTRACE | 1 << Capability.DAC_READ_SEARCH


def test_what_is_not_held_cannot_be_kept() -> None:
    """As nobody, with what systemd or a container grants: the bounding set is not theirs to change."""
    granted = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    sets = "+bpf,+perfmon,+sys_ptrace"
    within = (*granted, f"--inh-caps={sets}", f"--ambient-caps={sets}")
    for status in dropped([Capability.SYS_PTRACE, Capability.DAC_READ_SEARCH], within):
        left = privileges(status)
        assert left.effective == left.permitted == PTRACE
        assert left.inheritable == left.ambient == 0


def test_nothing_that_is_started_later_has_more() -> None:
    """Root by name gets all capabilities with the next program, as a rule."""
    script = "import subprocess; from exporter.kernel.privileges import drop; drop([])\n"
    script += "print(subprocess.run(['cat', '/proc/self/status'], capture_output=True, text=True).stdout)"
    within = ("setpriv", "--bounding-set=-setpcap")
    done = subprocess.run(
        [*within, sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )

    assert privileges(done.stdout).effective == 0
    assert privileges(done.stdout).bounding != 0


def test_this_thread_has_what_the_system_says() -> None:
    assert held() == privileges(Path("/proc/thread-self/status").read_text())
    assert held().has(Capability.SYS_ADMIN)


@pytest.mark.parametrize(
    ("effective", "granted"),
    [
        (BPF | PERFMON, True),
        (BPF | PERFMON | PTRACE, True),
        (BPF, False),
        (PERFMON, False),
        (BPF | PERFMON | ADMIN, False),
    ],
)
def test_bpf_is_granted_on_purpose_by_its_two_capabilities_alone(effective: int, granted: bool) -> None:  # noqa: FBT001
    assert is_bpf_granted(Privileges(effective=effective)) is granted


def test_bpf_is_needed_later_only_before_linux_5_19() -> None:
    assert Capability.BPF in needed_later("5.17.3-generic")
    assert Capability.BPF in needed_later("5.18.0")
    assert Capability.BPF not in needed_later("5.19.1")
    assert Capability.BPF not in needed_later("6.1.0-50-amd64")
    assert needed_later() == {Capability.SYS_PTRACE, Capability.DAC_READ_SEARCH}
