"""What is asked beside the sockets costs nothing but itself, whatever its files say, and whether they can be read."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.kernel.cgroups import Cgroups
from exporter.kernel.closed import ClosedSearch
from exporter.kernel.descriptor_use import DescriptorUse
from exporter.kernel.limits import LimitsReader
from exporter.kernel.members import Members
from exporter.kernel.owners import OwnerSearch
from exporter.kernel.sockstat import ClosedSockets
from exporter.tcp.holders import HolderClue, Process
from exporter.tcp.limits import Limits

PID, PARENT, INODE = 4711, 4710, 7
FILES = {
    "stat": b"4711 (web) S 4710 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5555 0",
    "comm": b"web\n",
    "cgroup": b"0::/web.service\n",
    "limits": b"Max open files            1024                 4096                 files\n",
    "net/sockstat": b"TCP: inuse 1 orphan 0 tw 0 alloc 3 mem 1\n",
    "net/sockstat6": b"TCP6: inuse 0\n",
    "net/netstat": b"TcpExt: ListenDrops\nTcpExt: 3\n",
    "net/snmp": b"Tcp: ActiveOpens\nTcp: 3\n",
    "task/4711/children": b"4712\n",
}
SYSCTLS = ("tcp_max_tw_buckets", "tcp_mem", "ip_local_port_range", "ip_local_reserved_ports")
LINKS = {f"fd/{INODE}": f"socket:[{INODE}]", "ns/pid": "pid:[4026531836]"}


class Host:
    """A /proc with two processes, and a hierarchy of cgroups, below *root*."""

    def __init__(self, root: Path) -> None:
        self.proc, self.cgroups = root / "proc", root / "cgroup"
        for process in ("1", str(PID), "self"):
            for name, content in FILES.items():
                self.write(f"{process}/{name}", content)
            for name, target in LINKS.items():
                self.link(f"{process}/{name}", target)
        for name in SYSCTLS:
            self.write(f"sys/net/ipv4/{name}", b"1 2 3")
        (self.cgroups / "web.service").mkdir(parents=True)
        (self.cgroups / "web.service/cgroup.procs").write_bytes(b"4711\n")

    def write(self, name: str, content: bytes) -> None:
        self._made(name).write_bytes(content)

    def link(self, name: str, target: str) -> None:
        self._made(name).symlink_to(target)

    def _made(self, name: str) -> Path:
        path = self.proc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return path

    def look(self) -> None:
        """Ask for all that is asked beside the sockets."""
        cgroups = Cgroups(self.cgroups)
        cgroups.look(frozenset({1}), 0.0)
        members = Members(cgroups.pids, self.proc).of({1: "/web.service"}, 0.0)
        limits = LimitsReader(self.proc).read(0.0)
        use = DescriptorUse(self.proc).of([PID], 0.0)
        closed, search = ClosedSearch(self.proc), OwnerSearch(self.proc, peers=cgroups.pids)
        closed.begin(None, {INODE}, 0.0)
        clue = HolderClue(INODE)
        search.begin([clue], [], 0.0)
        look, owners = closed.go_on(9.0), search.go_on(9.0)
        search.ended({Process(PID, "web", "", started=5555)})

        assert isinstance(limits, Limits)
        assert look is not None
        assert clue in owners
        assert {*members, *use} <= {1, PID}
        assert (ClosedSockets(self.proc).count(0.0) or 0) >= 0


PIECES = st.sampled_from(
    [
        *(b"4711", b" ", b"\n", b":", b"0::", b"/", b"..", b"\0", b"\xff", b"-", b"(web) S ", b"Max open files "),
        *(b"TCP:", b"TCP6:", b"TcpExt:", b" inuse ", b" alloc ", b" mem ", b" ListenDrops\n", b"1", b"9" * 30),
        *(b"9" * 5000, b"\xd9\xa3", b"1_000", b"0x1F", b"1.5", b"1e9"),
    ]
)
CONTENTS = st.lists(PIECES, max_size=12).map(b"".join) | st.binary(max_size=60)
NAMES = [*(f"{PID}/{name}" for name in FILES), *(f"self/{name}" for name in FILES if name.startswith("net/"))]
NAMES += [f"sys/net/ipv4/{name}" for name in SYSCTLS]


@given(st.dictionaries(st.sampled_from(NAMES), CONTENTS, min_size=1), CONTENTS)
@example({f"{PID}/limits": b"Max open files " + b"9" * 5000}, b"9" * 5000)
@example({f"{PID}/limits": b"Max open files"}, b"")
@example({f"{PID}/task/4711/children": b"9" * 5000}, b"")
@example({f"{PID}/cgroup": b"0::/web\0.service"}, b"")
@example({f"{PID}/net/sockstat": b"\xff", "self/net/sockstat": b"\xff"}, b"")
@example({"self/net/sockstat": b"TCP: inuse 1 alloc " + b"9" * 5000}, b"")
def test_whatever_the_files_say_nothing_is_raised(contents: dict[str, bytes], members: bytes) -> None:
    with TemporaryDirectory() as folder:
        host = Host(Path(folder))
        for name, content in contents.items():
            host.write(name, content)
        (host.cgroups / "web.service/cgroup.procs").write_bytes(members)

        host.look()


ODD_LINKS = ["socket:[" + "9" * 4000 + "]", "pid:[" + "9" * 4000 + "]", "socket:[]", "socket:[-1]", "socket:[٣]", "x"]


@pytest.mark.parametrize("target", ODD_LINKS)
@pytest.mark.parametrize("name", [f"{PID}/fd/{INODE}", "self/ns/pid"])
def test_wherever_links_lead_nothing_is_raised(name: str, target: str, tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.link(name, target)

    host.look()


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _folder(path: Path) -> None:
    path.mkdir()


def _nothing(path: Path) -> None:
    assert not path.exists()


HINDRANCES: dict[str, Callable[[Path], None]] = {
    "it leads to itself": _loop,
    "it is a folder": _folder,
    "it is gone": _nothing,
}


@pytest.mark.parametrize("hindrance", HINDRANCES)
@pytest.mark.parametrize("name", [*NAMES, *(f"{PID}/{link}" for link in LINKS), "self/ns/pid", "1/net/sockstat"])
def test_a_file_that_cannot_be_read_costs_only_itself(name: str, hindrance: str, tmp_path: Path) -> None:
    host = Host(tmp_path)
    (host.proc / name).unlink()
    HINDRANCES[hindrance](host.proc / name)

    host.look()


@pytest.mark.parametrize("hindrance", HINDRANCES)
@pytest.mark.parametrize("name", ["proc", "proc/self", f"proc/{PID}", f"proc/{PID}/fd", "cgroup", "cgroup/web.service"])
def test_a_folder_that_cannot_be_read_costs_only_itself(name: str, hindrance: str, tmp_path: Path) -> None:
    host = Host(tmp_path)
    (tmp_path / name).rename(tmp_path / "aside")
    HINDRANCES[hindrance](tmp_path / name)

    host.look()


def test_a_hierarchy_of_cgroups_that_may_not_be_seen_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", refuse)

    assert Cgroups().pids("/web.service") == ()
