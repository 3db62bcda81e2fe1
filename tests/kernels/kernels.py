"""Debian's kernels by name, made ready to be booted."""

import gzip
import lzma
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kernels import archive

SUITES: Mapping[str, str] = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "newest": "sid"}
"""Which of Debian's suites has the kernel."""

CACHE = Path(__file__).parent.parent.parent / "build" / "kernels"
"""What has been downloaded stays there; ``make clean`` removes it, and the next run gets what is new."""

_INIT = Path(__file__).parent / "init"
_FIRST_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
"""What the root file system is mounted with."""


@dataclass(frozen=True)
class Kernel:
    """A kernel that can be booted."""

    name: str
    release: str
    """As uname(2) tells it."""
    image: Path
    initramfs: Path
    modules: Path
    """The folder that belongs to ``/lib/modules``."""


def kernel(name: str) -> Kernel:
    """Get the kernel of that name, from the cache if it is there.

    Raises:
        ArchiveFailed: it could not be had.
    """
    folder = CACHE / name
    if not (folder / "initramfs").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _make(SUITES[name], folder)
    modules = folder / "lib" / "modules"
    (release,) = (one.name for one in modules.iterdir())
    return Kernel(name, release, folder / "image", folder / "initramfs", modules)


def _make(suite: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    _unpack(archive.download(suite, folder), folder)
    (modules,) = (folder / "lib" / "modules").iterdir()
    (image,) = (*folder.glob("boot/vmlinuz-*"), *modules.glob("vmlinuz"))
    image.rename(folder / "image")
    subprocess.run(["depmod", f"--basedir={folder}", modules.name], check=True)
    _initramfs(_needed(folder, modules.name), folder / "initramfs")


def _unpack(packages: Sequence[Path], folder: Path) -> None:
    for package in packages:
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
        package.unlink()
    if not (folder / "lib").exists():
        (folder / "lib").symlink_to("usr/lib")


def _needed(folder: Path, release: str) -> Sequence[Path]:
    """The files of the first modules and of those that they need, in the order in which they are to be loaded."""
    command = ["modprobe", f"--dirname={folder}", f"--set-version={release}", "--show-depends", "--all"]
    lines = subprocess.run([*command, *_FIRST_MODULES], check=True, capture_output=True, text=True).stdout.splitlines()
    return list(dict.fromkeys(Path(line.split()[1]) for line in lines if line.startswith("insmod ")))


def _initramfs(modules: Sequence[Path], file: Path) -> None:
    """Write the root that mounts the real one: a static shell, the modules, and the script that uses them."""
    root = file.with_name("initramfs.d")
    for name in ("bin", "dev", "proc", "modules", "below", "memory", "new"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy("/usr/bin/busybox", root / "bin")
    shutil.copy(_INIT, root)
    for number, module in enumerate(modules):
        (root / "modules" / f"{number:02}-{module.name.removesuffix('.xz')}").write_bytes(_plain(module))
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    command = ["cpio", "--create", "--format=newc", "--owner=0:0", "--quiet"]
    packed = subprocess.run(command, cwd=root, input=names.encode(), capture_output=True, check=True).stdout
    file.write_bytes(gzip.compress(packed, compresslevel=1))


def _plain(module: Path) -> bytes:
    return lzma.decompress(module.read_bytes()) if module.suffix == ".xz" else module.read_bytes()
