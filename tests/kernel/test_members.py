from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter.kernel import members
from exporter.kernel.members import FRESH_SECONDS, Members
from exporter.tcp.holders import NOBODY, Crowd, Process


class Host:
    """Processes, and the cgroups that they are in."""

    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self.cgroups: dict[str, list[int]] = {}
        self.asked: list[str] = []

    def process(self, pid: int, name: str, cgroup: str) -> None:
        folder = self.proc / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        self.cgroups.setdefault(cgroup, []).append(pid)

    def pids(self, path: str) -> Sequence[int]:
        self.asked.append(path)
        return list(self.cgroups.get(path, ()))

    def members(self) -> Members:
        return Members(self.pids, self.proc)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_who_is_in_a_cgroup_is_told_by_name(host: Host) -> None:
    host.process(7, "nginx", "/web")
    host.process(8, "php", "/web")

    found = host.members().of({5: "/web", 6: "/none"}, now=0.0)

    here = (Process(7, "nginx", "/web"), Process(8, "php", "/web"))
    assert found[5].processes == here
    assert found[6].processes == ()


def test_what_was_found_is_told_for_a_while_and_then_asked_again(host: Host) -> None:
    host.process(7, "nginx", "/web")
    found = host.members()
    found.of({5: "/web"}, now=0.0)
    host.process(8, "nginx", "/web")

    assert len(found.of({5: "/web"}, now=FRESH_SECONDS - 1)[5].processes) == 1
    assert len(found.of({5: "/web"}, now=FRESH_SECONDS)[5].processes) == 2
    assert host.asked == ["/web", "/web"]


def test_a_cgroup_that_is_not_asked_for_is_forgotten(host: Host) -> None:
    host.process(7, "nginx", "/web")
    found = host.members()
    found.of({5: "/web"}, now=0.0)

    assert found.of({}, now=1.0) == {}
    found.of({5: "/web"}, now=2.0)
    assert host.asked == ["/web", "/web"]


def test_so_many_cgroups_are_asked_in_a_sample_and_in_the_end_all(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "ASKED", 3)
    cgroups = {number: f"/{number}" for number in range(8)}
    found = host.members()

    assert [len(found.of(cgroups, now=float(sample))) for sample in range(4)] == [3, 6, 8, 8]
    found.of(cgroups, now=FRESH_SECONDS + 10)
    assert len(host.asked) == 8 + 3


def test_where_one_of_them_may_not_be_seen_nobody_is_told(host: Host) -> None:
    """It could have another name; 0 stands for a process of another PID namespace."""
    host.process(7, "nginx", "/web")
    host.cgroups["/web"].append(0)

    assert host.members().of({5: "/web"}, now=0.0) == {5: NOBODY}


def test_one_that_ends_meanwhile_is_in_nobodys_way(host: Host) -> None:
    host.process(7, "nginx", "/web")
    host.cgroups["/web"].append(8)

    def pids(path: str) -> Sequence[int]:
        found = host.pids(path)
        host.cgroups["/web"] = [7]
        return found

    assert [one.name for one in Members(pids, host.proc).of({5: "/web"}, now=0.0)[5].processes] == ["nginx"]


def test_the_descriptors_of_all_together_are_counted_where_the_kernel_tells(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {7: 100, 8: 20, 9: 0}
    monkeypatch.setattr("exporter.kernel.processes.descriptors", lambda _, pid: sizes[pid])
    for pid, cgroup in ((7, "/web"), (8, "/web"), (9, "/old")):
        host.process(pid, "x", cgroup)

    found = host.members().of({5: "/web", 6: "/old"}, now=0.0)

    assert found[5].descriptors == 120
    assert found[6] == Crowd((Process(9, "x", "/old"),), None)
