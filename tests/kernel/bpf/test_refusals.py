"""Where no program may be loaded: the source says why in one sentence, and needs nothing once it is loaded."""

import errno
import subprocess
import sys
from collections.abc import Sequence

import pytest

from exporter.decode.proc_status import Capability, Privileges
from exporter.kernel.bpf import refusals
from exporter.kernel.bpf.calls import LOADING, BpfError
from exporter.kernel.bpf.refusals import Host, refusal
from tests.lab.daemon import ROOT, WITHOUT_CAPABILITIES

GRANTED = Privileges(effective=1 << Capability.BPF | 1 << Capability.PERFMON)
SOUND = Host("6.12.1", GRANTED, "[none] integrity confidentiality", has_btf=True, jit="1", is_in_user_namespace=False)


@pytest.mark.parametrize(
    ("host", "error", "told"),
    [
        (SOUND, BpfError("make a map", errno.ENOSYS), "there is no bpf(2) here"),
        (
            SOUND._replace(release="5.10.0-32-amd64"),
            BpfError("load the loader", errno.E2BIG),
            "Linux 5.10.0-32-amd64 is too old, 5.17 is needed",
        ),
        (
            SOUND._replace(privileges=Privileges()),
            BpfError("make a map", errno.EPERM),
            "CAP_BPF and CAP_PERFMON missing",
        ),
        (
            SOUND._replace(privileges=Privileges(effective=1 << Capability.BPF)),
            BpfError("load the loader", errno.EACCES),
            "CAP_PERFMON missing",
        ),
        (
            SOUND._replace(is_in_user_namespace=True),
            BpfError("make a map", errno.EPERM),
            "not from within a user namespace",
        ),
        (
            SOUND._replace(lockdown="none integrity [confidentiality]"),
            BpfError("load the loader", errno.EINVAL),
            "the kernel is locked down (confidentiality)",
        ),
        (
            SOUND._replace(has_btf=False),
            BpfError("load the loader", errno.EINVAL),
            "the kernel does not describe its structures",
        ),
        (SOUND._replace(jit="0"), BpfError(LOADING, errno.EINVAL), "net.core.bpf_jit_enable is 0"),
        (SOUND, BpfError(LOADING, 524), "net.core.bpf_jit_enable is 0"),
        (SOUND, BpfError("make a map", errno.EPERM), "a security module forbids it"),
        (
            SOUND._replace(privileges=GRANTED._replace(is_filtered=True)),
            BpfError("make a map", errno.EPERM),
            "a seccomp filter forbids bpf(2)",
        ),
        (SOUND, BpfError("make a map", errno.ENOMEM), "no room at the step 'make a map': Cannot allocate memory"),
        (
            SOUND,
            BpfError(LOADING, errno.ENOENT),
            "the kernel refused to load the programs: No such file or directory (a kernel",
        ),
        (SOUND, BpfError("run the loader", errno.EIO), "the kernel refused to run the loader: Input/output error"),
    ],
)
def test_what_is_in_the_way_is_told(host: Host, error: BpfError, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "host", lambda: host)

    assert refusal(error).startswith(told)


def test_full_root_lacks_no_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    root = SOUND._replace(privileges=Privileges(effective=1 << Capability.SYS_ADMIN))
    monkeypatch.setattr(refusals, "host", lambda: root)

    assert refusal(BpfError("make a map", errno.EPERM)) == "a security module forbids it"


_SCRIPT = """
from exporter.errors import SourceUnavailable
from exporter.kernel.bpf.source import Bpf
try:
    Bpf(everywhere=True).prepare()
except SourceUnavailable as unavailable:
    print(unavailable)
else:
    print("loaded")
"""


def said(within: Sequence[str]) -> str:
    """By a process that tries to load the programs."""
    command = [*within, sys.executable, "-c", _SCRIPT]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def granted(capabilities: str) -> Sequence[str]:
    """As nobody with these capabilities."""
    user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    return (*user, f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}")


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("within", "told"),
    [
        (WITHOUT_CAPABILITIES, "CAP_BPF and CAP_PERFMON missing"),
        (granted("+bpf"), "CAP_PERFMON missing"),
        (granted("+perfmon"), "CAP_BPF missing"),
        (granted("+bpf,+perfmon"), "loaded"),
        (("unshare", "--user", "--map-root-user"), "not from within a user namespace"),
        ((sys.executable, "-m", "tests.lab.sandbox", "--bpf"), "a seccomp filter forbids bpf(2)"),
    ],
)
def test_a_process_is_told_what_it_lacks(within: Sequence[str], told: str) -> None:
    assert said(within) == told


_WITHOUT = """
import sys
from pathlib import Path
from exporter.decode.proc_status import privileges as decoded
from exporter.errors import SourceUnavailable
from exporter.kernel import privileges
from exporter.kernel.bpf.source import Bpf
from exporter.tcp.reading import Asked
source = Bpf(everywhere=True)
source.prepare()
privileges.drop([])
for now in (1.0, 6.0, 5000.0):
    with source.reading(Asked(now=now)) as reading:
        for _ in reading.batches:
            pass
        print(len(reading.elsewhere) > 0, decoded(Path("/proc/thread-self/status").read_text()).effective)
source.close()
try:
    source.prepare()
except SourceUnavailable as unavailable:
    print(unavailable)
"""


@pytest.mark.kernel
@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("within", [(), granted("+bpf,+perfmon")])
def test_samples_of_all_namespaces_go_on_without_any_capability(within: Sequence[str]) -> None:
    command = [*within, sys.executable, "-c", _WITHOUT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.splitlines() == ["True 0"] * 3 + ["CAP_BPF and CAP_PERFMON missing"]


_CROWDED = """
import os, resource
from exporter.errors import SourceUnavailable
from exporter.kernel.bpf.source import Bpf
there = len(os.listdir("/proc/self/fd"))
for more in range(4, 60, 3):
    resource.setrlimit(resource.RLIMIT_NOFILE, (there + more, 1024))
    source = Bpf(everywhere=True)
    try:
        source.prepare()
    except SourceUnavailable as unavailable:
        print(unavailable)
    else:
        print("loaded")
    source.close()
    assert len(os.listdir("/proc/self/fd")) == there, more
"""


@pytest.mark.kernel
def test_a_want_of_descriptors_is_told_and_leaves_none() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CROWDED], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert "loaded" in lines
    assert all(line == "loaded" or line.startswith("no room ") for line in lines)
