"""The version and the revision of this source, and what is built of it told of both.

    version.py                  prints the version
    version.py REVISION|DEBIAN  prints the revision, or the version as Debian orders it
    version.py FILE             writes exporter/__init__.py, with both in their places, to FILE

A tag gives the version; after it, or where there is none yet, the commits since count. Without git, as in what has been
unpacked from an archive, what stands in ``exporter/__init__.py`` counts, where an earlier build may have put it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "exporter/__init__.py"


def version() -> str:
    """In the form of PEP 440: 1.2.3, 1.2.3.post4 so many commits later, 0.1.0.dev5 before the first tag."""
    if given := os.environ.get("TCPSTATE_VERSION"):
        return given
    if found := re.fullmatch(r"v(.+)-(\d+)-g[0-9a-f]+", _git("describe", "--tags", "--long", "--match", "v[0-9]*")):
        return found[1] if found[2] == "0" else f"{found[1]}.post{found[2]}"
    commits = _git("rev-list", "--count", "HEAD")
    return f"{_standing('version')}.dev{commits}" if commits else _standing("version")


def revision() -> str:
    """The commit; empty if it is not known."""
    if given := os.environ.get("TCPSTATE_REVISION"):
        return given
    return _git("describe", "--always", "--exclude=*", "--abbrev=12", "--dirty") or _standing("revision")


def debian() -> str:
    """The version, such that what comes before a release is older than that."""
    return re.sub(r"\.?(dev|a|b|rc)(?=\d)", r"~\1", version())


def stamped() -> str:
    """The text of SOURCE with version and revision."""
    text = SOURCE.read_text()
    for name, value in (("version", version()), ("revision", revision())):
        text = re.sub(rf'^__{name}__ = ".*"$', f'__{name}__ = "{value}"', text, flags=re.MULTILINE)
    return text


def _standing(name: str) -> str:
    """What SOURCE says."""
    found = re.search(rf'^__{name}__ = "(.*)"$', SOURCE.read_text(), re.MULTILINE)
    if not found:
        raise ValueError(f"{SOURCE}: expected __{name}__, found none")
    return found[1]


def _git(*arguments: str) -> str:
    """What git says of this folder; nothing where it is not the root of a repository, but lies in somebody else's."""
    try:
        top = _run("rev-parse", "--show-toplevel")
        return _run(*arguments) if Path(top).resolve() == ROOT else ""
    except (OSError, subprocess.CalledProcessError):
        return ""


def _run(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - nothing from outside
    return done.stdout.strip()


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            sys.stdout.write(f"{version()}\n")
        case ["REVISION"]:
            sys.stdout.write(f"{revision()}\n")
        case ["DEBIAN"]:
            sys.stdout.write(f"{debian()}\n")
        case [file]:
            Path(file).write_text(stamped())
        case _:
            sys.exit(__doc__)
