"""Builds the programs that count inside the kernel, as files that the exporter brings along: see ``make blobs``.

    python bpf/skeletons.py [FOLDER]

Each is a light skeleton: a program that the kernel runs once, and that makes the maps and loads the programs proper,
with the kernel's own offsets in them. bpftool prints it as C; what is kept is its data and its instructions, behind a
line of JSON that says what is in it and what it was built from.
"""

import hashlib
import json
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
BLOBS = HERE.parent / "exporter/kernel/bpf"
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_HEADERS = "kernel.h"


class Blob(NamedTuple):
    """One of the files, and how it is built."""

    source: str
    definitions: tuple[str, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """Of the compiler; with no path of the machine that builds."""
        general = ("-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror", "-Wno-unused-variable")
        return (*general, "-fdebug-compilation-dir=.", *self.definitions)

    @property
    def digest(self) -> str:
        """SHA-256 of all that the blob is made of."""
        parts = ((HERE / self.source).read_bytes(), (HERE / _HEADERS).read_bytes(), " ".join(self.flags).encode())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()


BLOBS_BY_NAME = {
    "walk_typed.blob": Blob("walk.bpf.c", ("-DTYPED=1",)),
    "walk_probe.blob": Blob("walk.bpf.c", ("-DTYPED=0",)),
    "holders.blob": Blob("holders.bpf.c"),
}


class Tools(NamedTuple):
    """What it is built with; another compiler gives other bytes."""

    compiler: str
    bpftool: str


def tools() -> Tools:
    """Those of this machine."""
    return Tools(_first_line("clang", "--version"), _first_line("bpftool", "version"))


def build(name: str) -> bytes:
    """The content of the file by that *name*, built anew."""
    blob = BLOBS_BY_NAME[name]
    with tempfile.TemporaryDirectory() as folder:
        compiled = str(Path(folder) / "walk.o")  # bpftool names all that it prints after it
        includes = f"-I/usr/include/{platform.machine()}-linux-gnu"
        _run("clang", *blob.flags, includes, "-c", blob.source, "-o", compiled)
        _run("llvm-strip", "-g", compiled)
        printed = _run("bpftool", "gen", "skeleton", "-L", compiled)
    data, code = _bytes(printed, "data"), _bytes(printed, "insns")
    head = {
        "source": blob.source,
        "sha256": blob.digest,
        **tools()._asdict(),
        "byteorder": sys.byteorder,
        "maps": _names(printed, "maps", "bpf_map_desc"),
        "programs": _names(printed, "progs", "bpf_prog_desc"),
        "data": len(data),
        "code": len(code),
    }
    return json.dumps(head).encode() + b"\n" + data + code


def _bytes(printed: str, field: str) -> bytes:
    """Of a field whose value is a string of escaped bytes, all but the zeros at its end."""
    found = re.search(rf'opts\.{field}_sz = (\d+);\s+opts\.{field} = \(void \*\)"((?:[^"\\]|\\.|\\\n)*)"', printed)
    if found is None:
        raise ValueError(f"bpftool has printed no {field}")
    content = bytes(int(digits or "0", 16) for digits in re.findall(r"\\(?:x([0-9a-f]{2})|0)", found[2]))
    return content[: int(found[1])].ljust(int(found[1]), b"\0")


def _names(printed: str, member: str, kind: str) -> list[str]:
    """In the order of the loader's context."""
    found = re.search(rf"struct \{{([^}}]*)\}} {member};", printed)
    return re.findall(rf"struct {kind} (\w+);", found[1]) if found else []


def _first_line(*command: str) -> str:
    return _run(*command).splitlines()[0].rpartition("/")[2]


def _run(*command: str) -> str:
    done = subprocess.run(command, cwd=HERE, env=_ENVIRONMENT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def main(folder: Path = BLOBS) -> None:
    """Write them all."""
    for name in BLOBS_BY_NAME:
        (folder / name).write_bytes(build(name))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
