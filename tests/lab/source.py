"""A copy of the source as it lies here, without what has been made of it."""

import subprocess
from pathlib import Path

from tests.lab.daemon import ROOT

_NAMES = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
_COMMIT = ("-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "--message=a copy")


def names() -> list[str]:
    """The files of the source."""
    listed = subprocess.run(_NAMES, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted({name for name in listed.split("\0") if name and (ROOT / name).exists()})


def copy(into: Path) -> None:
    """Into a folder that is there."""
    packed = subprocess.run(
        ["tar", "--create", "--null", "--files-from=-"],
        cwd=ROOT,
        input="\0".join(names()).encode(),
        capture_output=True,
        check=True,
    )
    subprocess.run(["tar", "--extract"], cwd=into, input=packed.stdout, check=True)


def commit(folder: Path) -> None:
    """Make a repository with one commit of what is in the *folder*."""
    for arguments in (("init", "--quiet"), ("add", "--all"), _COMMIT):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
