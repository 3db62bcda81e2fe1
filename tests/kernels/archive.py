"""Debian's kernel packages, by apt with a configuration of its own: that of the machine is not touched."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_PACKAGE = "linux-image-amd64"
_PARTS = re.compile(r"^Inst (linux-(?:image|base|binary|modules)-\d\S+) ", re.MULTILINE)
"""What apt would install for the kernel, of its own files: since 7.x the modules are a package of their own."""


def download(suite: str, folder: Path) -> Sequence[Path]:
    """The packages of the kernel that a *suite* of Debian has now, unpacked by nobody yet, in *folder*.

    Raises:
        ArchiveFailed: apt could not get them; the message is its own.
    """
    apt = _Apt(suite, folder / "apt")
    apt.run("update")
    names = _PARTS.findall(apt.run("--simulate", "install", _PACKAGE))
    apt.run("download", *names, cwd=folder)
    return sorted(folder.glob("linux-*.deb"))


class ArchiveFailed(Exception):
    """Debian's archive did not give what was asked for."""


class _Apt:
    """apt-get(8) for one suite and no installed package."""

    def __init__(self, suite: str, folder: Path) -> None:
        for name in ("lists/partial", "archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(f"deb [arch=amd64 signed-by={_KEYRING}] {_mirror()} {suite} main\n")
        options = {
            "Dir::State": folder,
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder,
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Acquire::Languages": "none",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
        }
        self._options = [f"--option={name}={value}" for name, value in options.items()]

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        return _run("apt-get", "--quiet", *self._options, *arguments, cwd=cwd)


def _mirror() -> str:
    """Where this machine gets Debian's packages from; the suites beside its own are there too."""
    found = _run("apt-get", "indextargets", "--format=$(REPO_URI)", "Created-By: Packages", "Label: Debian").split()
    if not found:
        raise ArchiveFailed("apt knows no mirror of Debian here, expected one in /etc/apt/sources.list.d")
    return found[0]


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    if done.returncode:
        raise ArchiveFailed(f"{command[0]} {command[-1]}: {done.stderr.strip()}")
    return done.stdout
