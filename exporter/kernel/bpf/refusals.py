"""Why the kernel refused to load a program, in a sentence for whoever has to do something about it.

The error number alone is ambiguous, so what usually is in the way is looked for, one after the other; the first that is
there is told.
"""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from exporter.decode.proc_status import Capability, Privileges
from exporter.decode.release import release
from exporter.kernel import privileges
from exporter.kernel.bpf.calls import LOADING, BpfError

NEEDED = (5, 17)
"""The first Linux that has all that the programs call."""

_ENOTSUPP = 524
"""The kernel's own number, which errno does not know."""
_SCARCE = frozenset({errno.ENOMEM, errno.E2BIG, errno.EMFILE, errno.ENFILE})
_BTF = "/sys/kernel/btf/vmlinux"
_LOCKDOWN = "/sys/kernel/security/lockdown"
_JIT = "/proc/sys/net/core/bpf_jit_enable"


class Host(NamedTuple):
    """What can be in the way."""

    release: str
    privileges: Privileges
    lockdown: str
    has_btf: bool
    jit: str
    is_in_user_namespace: bool


def refusal(error: BpfError) -> str:
    """What is most likely in the way of one who met this *error*."""
    found = host()
    return next(sentence for look in _LOOKS if (sentence := look(found, error)))


def host() -> Host:
    """What there is on this one."""
    return Host(
        os.uname().release,
        privileges.held(),
        _text(_LOCKDOWN),
        Path(_BTF).exists(),
        _text(_JIT).strip(),
        _text("/proc/self/uid_map").split() not in ([], ["0", "0", "4294967295"]),
    )


def _no_call(_: Host, error: BpfError) -> str:
    return "there is no bpf(2) here" if error.number == errno.ENOSYS else ""


def _too_old(host: Host, _: BpfError) -> str:
    is_old = release(host.release) < NEEDED
    return f"Linux {host.release} is too old, {'.'.join(map(str, NEEDED))} is needed" if is_old else ""


def _in_user_namespace(host: Host, error: BpfError) -> str:
    return "not from within a user namespace" if host.is_in_user_namespace and error.number == errno.EPERM else ""


def _no_privilege(host: Host, _: BpfError) -> str:
    if host.privileges.has(Capability.SYS_ADMIN):
        return ""
    missing = [each.label for each in privileges.FOR_BPF if not host.privileges.has(each)]
    return f"{' and '.join(missing)} missing" if missing else ""


def _locked_down(host: Host, _: BpfError) -> str:
    return "the kernel is locked down (confidentiality)" if "[confidentiality]" in host.lockdown else ""


def _no_btf(host: Host, _: BpfError) -> str:
    return "" if host.has_btf else f"the kernel does not describe its structures ({_BTF}, CONFIG_DEBUG_INFO_BTF)"


def _no_jit(host: Host, error: BpfError) -> str:
    return "net.core.bpf_jit_enable is 0" if host.jit == "0" or error.number == _ENOTSUPP else ""


def _forbidden(host: Host, error: BpfError) -> str:
    if error.number not in {errno.EPERM, errno.EACCES}:
        return ""
    return "a seccomp filter forbids bpf(2)" if host.privileges.is_filtered else "a security module forbids it"


def _scarce(_: Host, error: BpfError) -> str:
    return f"no room at the step '{error.step}': {os.strerror(error.number)}" if error.number in _SCARCE else ""


def _anything_else(_: Host, error: BpfError) -> str:
    lacks = " (a kernel without what the program calls)" if error.step == LOADING else ""
    return f"the kernel refused to {error.step}: {os.strerror(error.number)}{lacks}"


_LOOKS: Sequence[Callable[[Host, BpfError], str]] = (
    _no_call,
    _too_old,
    _in_user_namespace,
    _no_privilege,
    _locked_down,
    _no_btf,
    _no_jit,
    _forbidden,
    _scarce,
    _anything_else,
)


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
