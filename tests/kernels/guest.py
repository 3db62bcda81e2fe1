"""A kernel in an emulated machine that has this machine's files: any command runs on it as it would run here."""

import fcntl
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kernels.kernels import CACHE, Kernel

BOOT_SECONDS = 180.0
"""Within these a kernel is up; alone on two cores one takes about 20."""

_BOOT = Path(__file__).parent / "boot"
_ROOT = Path(__file__).parent.parent.parent
_CONSOLE_LINES = 25
_SETTINGS = "console=ttyS0 panic=-1 mitigations=off tsc=unstable clocksource=acpi_pm"
"""The clock of the machine that is emulated jumps while others use the cores; its time-stamp counter more than most."""


class GuestFailed(Exception):
    """The guest did not boot, or did not finish in time; the message has the last lines of its console."""


def run(kernel: Kernel, command: str, *, seconds: float, settings: str = "", exchange: Path | None = None) -> int:
    """The exit status of a shell *command* run as root in the repository's folder; its output goes to ours.

    All files are those of this machine; what the guest writes is gone with it, but for what it writes to ``/exchange``,
    which is the folder *exchange* here. *settings* are for the kernel's command line.

    Raises:
        GuestFailed: see there.
    """
    with _alone(), tempfile.TemporaryDirectory() as temporary:
        folder = exchange or Path(temporary)
        (folder / "command").write_text(_script(command))
        (folder / "modules").write_text(str(kernel.modules))
        (folder / "boot").write_bytes(_BOOT.read_bytes())
        with subprocess.Popen(_machine(kernel, folder, settings), stdin=subprocess.DEVNULL) as machine:
            try:
                _await_boot(machine, folder)
                machine.wait(seconds)
            except subprocess.TimeoutExpired:
                raise _failed(f"did not finish within {seconds:.0f} s", folder) from None
            finally:
                machine.kill()
        return _status(folder)


@contextmanager
def _alone() -> Iterator[None]:
    """One guest at a time: a second one would take the first one's time."""
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waits until another guest has ended", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _script(command: str) -> str:
    path = shlex.quote(str(Path(sys.executable).parent))
    return f"cd {shlex.quote(str(_ROOT))}\nexport PATH={path}:$PATH\n{command}\n"


def _machine(kernel: Kernel, folder: Path, settings: str) -> list[str]:
    """The command line of an emulated machine: one core, 1 GiB, console and output on a serial line each."""
    return [
        *("nice", "-n", "10", "qemu-system-x86_64", "-machine", "pc,accel=tcg", "-cpu", "max", "-m", "1024"),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-kernel", str(kernel.image), "-initrd", str(kernel.initramfs), "-append", f"{_SETTINGS} {settings}"),
        *("-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"),
        *("-virtfs", f"local,path={folder},mount_tag=exchange,security_model=none"),
        *("-serial", f"file:{folder / 'console'}", "-serial", "stdio"),
    ]


def _await_boot(machine: "subprocess.Popen[bytes]", folder: Path) -> None:
    end, is_over = time.monotonic() + BOOT_SECONDS, False
    while not (folder / "up").exists():
        if is_over:
            raise _failed("did not boot", folder)
        time.sleep(0.1)
        is_over = machine.poll() is not None or time.monotonic() > end


def _status(folder: Path) -> int:
    try:
        return int((folder / "status").read_text())
    except FileNotFoundError:
        raise _failed("ended before its command", folder) from None


def _failed(what: str, folder: Path) -> GuestFailed:
    lines = (folder / "console").read_text(errors="replace").splitlines() if (folder / "console").exists() else []
    return GuestFailed("\n".join([f"the guest {what}; the last lines of its console:", *lines[-_CONSOLE_LINES:]]))
