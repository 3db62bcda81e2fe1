from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from exporter.kernel import cgroups
from exporter.kernel.cgroups import Cgroups


class Hierarchy:
    """A tree of cgroups."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self, path: str) -> int:
        """Make a cgroup; its number."""
        (self.root / path).mkdir(parents=True)
        return (self.root / path).stat().st_ino

    @property
    def root_id(self) -> int:
        return self.root.stat().st_ino

    def cgroups(self, ticks: Iterator[float] | None = None) -> Cgroups:
        """Each look at the clock is the next tick; without any a walk takes no time."""
        return Cgroups(self.root, lambda: next(ticks) if ticks else 0.0)


@pytest.fixture
def hierarchy(tmp_path: Path) -> Hierarchy:
    root = tmp_path / "cgroup"
    root.mkdir()
    return Hierarchy(root)


def test_a_cgroup_is_known_by_the_number_of_its_directory(hierarchy: Hierarchy) -> None:
    nginx = hierarchy.make("system.slice/nginx.service")
    known = hierarchy.cgroups()

    known.look(frozenset({nginx, hierarchy.root_id, 1}), now=0.0)

    assert known.path(nginx) == "/system.slice/nginx.service"
    assert known.path(hierarchy.root_id) == "/"
    assert known.path(1) == ""


def test_a_cgroup_that_was_removed_keeps_its_path_while_it_is_asked_for(hierarchy: Hierarchy) -> None:
    first, later = hierarchy.make("first"), hierarchy.make("later/deeper")
    known = hierarchy.cgroups()
    known.look(frozenset({first}), now=0.0)
    (hierarchy.root / "first").rmdir()

    for cgroup_ids in (frozenset({first, later, 1}), frozenset({first, 2})):
        known.look(cgroup_ids, now=0.0)
        assert (known.path(first), known.path(later)) == ("/first", "/later/deeper")

    known.look(frozenset({3}), now=0.0)
    assert known.path(first) == ""


def test_walks_take_a_small_share_of_the_time(hierarchy: Hierarchy) -> None:
    """A walk that took a second is followed by another after minutes."""
    known = hierarchy.cgroups(iter(count()))
    known.look(frozenset({1}), now=0.0)
    later = hierarchy.make("later")

    known.look(frozenset({later}), now=199.0)
    assert known.path(later) == ""
    known.look(frozenset({later}), now=200.0)
    assert known.path(later) == "/later"


def test_while_all_are_known_there_is_no_walk(hierarchy: Hierarchy) -> None:
    first = hierarchy.make("first")
    ticks = iter([0.0, 0.0])  # one walk looks at the clock twice
    known = hierarchy.cgroups(ticks)
    known.look(frozenset({first}), now=0.0)

    known.look(frozenset({first}), now=1000.0)

    assert list(ticks) == []
    assert known.path(first) == "/first"


def test_a_walk_looks_at_so_many_directories_and_no_more(hierarchy: Hierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {hierarchy.make(f"unit{number}") for number in range(10)}
    monkeypatch.setattr(cgroups, "MOST", 4)
    known = hierarchy.cgroups()

    known.look(frozenset(made), now=0.0)

    assert sum(known.path(cgroup_id) != "" for cgroup_id in made) == 3  # the root is one of the four


def test_a_link_is_no_cgroup(hierarchy: Hierarchy) -> None:
    outside = hierarchy.make("../outside")
    (hierarchy.root / "link").symlink_to(hierarchy.root / "../outside")
    known = hierarchy.cgroups()

    known.look(frozenset({outside}), now=0.0)

    assert known.path(outside) == ""


def test_without_version_2_no_cgroup_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "ROOTS", (tmp_path,))
    known = Cgroups()

    known.look(frozenset({tmp_path.stat().st_ino}), now=0.0)

    assert known.path(tmp_path.stat().st_ino) == ""


def test_version_2_is_found_where_it_stands_beside_version_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unified = tmp_path / "unified"
    unified.mkdir()
    (unified / "cgroup.controllers").touch()
    monkeypatch.setattr(cgroups, "ROOTS", (tmp_path, unified))
    known = Cgroups()

    known.look(frozenset({unified.stat().st_ino}), now=0.0)

    assert known.path(unified.stat().st_ino) == "/"


def test_the_processes_of_a_cgroup_are_told_by_its_path(hierarchy: Hierarchy) -> None:
    hierarchy.make("web")
    (hierarchy.root / "web" / "cgroup.procs").write_text("7\n0\n8\n")
    (hierarchy.root / "cgroup.procs").write_text("1\n")
    known = hierarchy.cgroups()

    assert list(known.pids("/web")) == [7, 0, 8]
    assert [list(known.pids(path)) for path in ("/none", "/", "", "/web/..")] == [[], [], [], []]


def test_of_a_cgroup_with_too_many_processes_none_is_told(
    hierarchy: Hierarchy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "CROWD", 3)
    for name, processes in (("small", 3), ("large", 4)):
        hierarchy.make(name)
        (hierarchy.root / name / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in range(processes)))
    known = hierarchy.cgroups()

    assert len(known.pids("/small")) == 3
    assert len(known.pids("/large")) == 0


def test_paths_are_told_of_those_that_are_known(hierarchy: Hierarchy) -> None:
    web = hierarchy.make("web")
    known = hierarchy.cgroups()
    known.look(frozenset({web}), now=0.0)

    assert known.paths([web, web + 100_000]) == {web: "/web"}
