"""Network namespaces: made for one test, and gone after it."""

import ctypes
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("ip", "nft", "nsenter", "ss")
"""What has to be installed; packages iproute2 and nftables."""

_CLONE_NEWNET = 0x40000000
_NAMED = Path("/run/netns")
_libc = ctypes.CDLL(None, use_errno=True)


def lacking(uid: int, path: str) -> list[str]:
    """What a user with the search path *path* lacks for making network namespaces; nothing if they can."""
    programs = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    return programs if uid == 0 else ["root", *programs]


@dataclass(frozen=True)
class Namespace:
    """A network namespace by the name that ip-netns(8) knows it under."""

    name: str

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make the sockets of this thread there; they stay usable afterwards."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _set(_NAMED / self.name)
            try:
                yield
            finally:
                _set_descriptor(own)
        finally:
            os.close(own)

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs *arguments* there; ip-netns(8) would also hide the cgroups in /sys."""
        return ["nsenter", f"--net={_NAMED / self.name}", *arguments]

    def run(self, *arguments: str, text: str | None = None) -> str:
        """What the command prints; *text* is its standard input."""
        return _run(self.command(*arguments), text)

    def sysctl(self, name: str, value: object) -> None:
        """Set one of the namespace's own settings."""
        self.run("sysctl", "-qw", f"{name}={value}")

    def drop_input(self, expression: str) -> None:
        """Drop incoming packets that match an nft(8) expression, besides those dropped already."""
        rules = f"table inet lab {{ chain input {{ type filter hook input priority 0; {expression} drop; }}; }}"
        self.run("nft", "-f", "-", text=rules)

    def flush_input(self) -> None:
        """Let all packets in again."""
        self.run("nft", "flush", "ruleset")


def _set(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _set_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _set_descriptor(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _run(command: Sequence[str], text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()} (the tests need root, iproute2 and nftables)")
    return done.stdout


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A namespace with nothing but its loopback interface."""
    made = Namespace(f"tse-{uuid.uuid4().hex[:10]}")
    _run(["ip", "netns", "add", made.name])
    try:
        _run(["ip", "-n", made.name, "link", "set", "lo", "up"])
        yield made
    finally:
        _run(["ip", "netns", "del", made.name])


@dataclass(frozen=True)
class Pair:
    """Two hosts on one cable: connections go from *a* to *b*."""

    a: Namespace
    b: Namespace


_ENDS = (("10.99.0.1", "fd99::1", "02:00:00:00:00:01"), ("10.99.0.2", "fd99::2", "02:00:00:00:00:02"))


@contextmanager
def pair() -> Iterator[Pair]:
    """Two connected namespaces; neighbours are known beforehand, since looking for them takes a second."""
    with namespace() as a, namespace() as b:
        _run(["ip", "-n", a.name, "link", "add", "veth", "type", "veth", "peer", "name", "veth", "netns", b.name])
        _run(["ip", "-n", a.name, "-batch", "-"], _addresses(*_ENDS))
        _run(["ip", "-n", b.name, "-batch", "-"], _addresses(*reversed(_ENDS)))
        yield Pair(a, b)


def _addresses(own: tuple[str, str, str], peer: tuple[str, str, str]) -> str:
    lines = [
        f"link set veth address {own[2]} up",
        f"addr add {own[0]}/24 dev veth",
        f"addr add {own[1]}/64 dev veth nodad",
        f"neigh replace {peer[0]} lladdr {peer[2]} dev veth nud permanent",
        f"neigh replace {peer[1]} lladdr {peer[2]} dev veth nud permanent",
    ]
    return "\n".join(lines) + "\n"
