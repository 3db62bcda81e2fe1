"""A Debian system of its own, made by debootstrap and booted by systemd-nspawn, without a network."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

MIRROR = "http://deb.debian.org/debian"
BOOT_SECONDS = 60.0
PRIVILEGES = "CAP_BPF,CAP_PERFMON"
"""What a drop-in may give to the exporter has to be allowed to the whole machine, and its system call too."""

_ENVIRONMENT = ("env", "--ignore-environment", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive")

_GET = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode(), end="")
"""


class CommandFailed(Exception):
    """With all that it has written."""


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


@dataclass(frozen=True)
class Machine:
    """One that runs."""

    root: Path
    leader: int
    """Its first process."""

    def run(self, *command: str) -> str:
        """What *command* writes. Raises CommandFailed."""
        return _run(["nsenter", f"--target={self.leader}", "--all", *_ENVIRONMENT, *command])

    def fails(self, *command: str) -> str:
        """What *command* writes, which has to fail."""
        try:
            self.run(*command)
        except CommandFailed as error:
            return str(error)
        raise AssertionError(f"{' '.join(command)}: was to fail")

    def get(self, url: str) -> str:
        return self.run("python3", "-c", _GET, url)

    def write(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def unit(self, name: str, *properties: str) -> list[str]:
        """What systemd knows of the unit."""
        shown = self.run("systemctl", "show", name, *(f"--property={one}" for one in properties))
        known = dict(line.partition("=")[::2] for line in shown.splitlines())
        return [known[one] for one in properties]

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}")

    def log(self) -> str:
        """The whole journal as JSON lines' messages."""
        lines = self.run("journalctl", "--no-pager", "--output=json").splitlines()
        return "\n".join(str(json.loads(line).get("MESSAGE")) for line in lines)


def make(suite: str, root: Path) -> None:
    """A system that has nothing but what boots."""
    _run(["debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus", suite, str(root), MIRROR])
    settle(root)


def settle(root: Path) -> None:
    """What an installer writes and debootstrap does not."""
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")


def fetch(root: Path, *packages: str) -> str:
    """What apt says while it fetches these with all that they need, to be installed later, without a network."""
    _run(["chroot", str(root), "apt-get", "update", "--quiet=2"])
    options = ("--yes", "--no-install-recommends", "--download-only")
    return _run(["chroot", str(root), *_ENVIRONMENT, "apt-get", "install", *options, *packages])


@contextmanager
def folder() -> Iterator[Path]:
    """For a system; it is gone in the end, also if something is still mounted there."""
    with TemporaryDirectory(prefix="tcp-state-exporter-", ignore_cleanup_errors=True) as made:
        yield Path(made) / "root"
        shutil.rmtree(Path(made) / "root", ignore_errors=True)


@contextmanager
def booted(root: Path, name: str) -> Iterator[Machine]:
    """The machine until the end of the block."""
    command = [
        "systemd-nspawn",
        f"--directory={root}",
        f"--machine={name}",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--private-network",
        f"--capability={PRIVILEGES}",
        "--system-call-filter=bpf",
    ]
    console = root.parent / "console"
    with console.open("wb") as output:
        popen = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        machine = Machine(root, _leader(popen))
        _wait_until_up(machine, console)
        yield machine
    finally:
        popen.terminate()
        popen.wait(30)


def _leader(popen: "subprocess.Popen[bytes]") -> int:
    end = time.monotonic() + BOOT_SECONDS
    children = Path(f"/proc/{popen.pid}/task/{popen.pid}/children")
    while not (found := children.read_text().split()):
        assert time.monotonic() < end, "no machine"
        time.sleep(0.05)
    return int(found[0])


def _wait_until_up(machine: Machine, console: Path) -> None:
    end = time.monotonic() + BOOT_SECONDS
    while "login:" not in console.read_text(errors="replace"):
        assert time.monotonic() < end, console.read_text(errors="replace")[-2000:]
        time.sleep(0.1)
    machine.run("systemctl", "is-system-running", "--wait")
