"""Packs the exporter and the libraries that it needs into the file that is named: for hosts with nothing but Python.

To be run by the Python of an environment in which all of them are installed, with sums, as ``make run`` does. What is
compiled is left out: Python cannot load it from an archive, and would have to unpack it somewhere first. So the file
is the same for every Python and every processor, is never unpacked, and writes nothing. Tornado and PyYAML do the same
without; psutil, for the source of that name, and bcrypt, for users, are found where the host has them.
"""

import os
import shutil
import sys
import zipapp
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

DISTRIBUTIONS = ("tcp-state-exporter", "prometheus_client", "PyYAML", "tornado")
INTERPRETER = "/usr/bin/env python3"
LEFT_OUT = {".so", ".pyc", ".pyi", ".c", ".typed"}
ABOUT_THE_INSTALLATION = {"RECORD", "REQUESTED", "INSTALLER", "direct_url.json"}
TESTS = Path("tornado/test")

# For a Python that cannot even read the exporter.
_MAIN = """
import sys

if sys.version_info < (3, 11):
    sys.exit("tcp-state-exporter: needs Python 3.11 or newer, this is " + sys.version.split()[0])

from exporter.__main__ import entry

entry()
"""


def pack(file: Path) -> None:
    """Write *file*, the same bytes for the same content."""
    with TemporaryDirectory() as folder:
        for name in DISTRIBUTIONS:
            _gather(name, Path(folder))
        (Path(folder) / "__main__.py").write_text(_MAIN.lstrip())
        _date(Path(folder), float(os.environ.get("SOURCE_DATE_EPOCH", "315619200")))
        zipapp.create_archive(folder, file, INTERPRETER, compressed=True)
    file.chmod(0o755)


def _gather(name: str, folder: Path) -> None:
    """What the distribution of that name has installed among the modules; its licence comes along."""
    for one in metadata.files(name) or ():
        path = Path(one)
        left_out = path.suffix in LEFT_OUT or path.name in ABOUT_THE_INSTALLATION or path.is_relative_to(TESTS)
        if left_out or ".." in path.parts:
            continue
        into = folder / path
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(one.locate(), into)


def _date(folder: Path, seconds: float) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (seconds, seconds))


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
