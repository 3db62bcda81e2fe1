import errno
from pathlib import Path

import pytest

from exporter.kernel import netns
from exporter.kernel.netns import Places
from tests.lab.netns import Namespace


def make(proc: Path, pid: int | str, namespace: Path) -> None:
    (proc / str(pid) / "ns").mkdir(parents=True)
    (proc / str(pid) / "ns" / "net").hardlink_to(namespace)


@pytest.fixture
def blue(tmp_path: Path) -> Path:
    """A file that stands for a namespace; this process is in another."""
    for name in ("own", "blue"):
        (tmp_path / name).touch()
    make(tmp_path / "proc", "self", tmp_path / "own")
    return tmp_path / "blue"


def test_processes_are_told_by_their_namespace(tmp_path: Path, blue: Path) -> None:
    for pid in (20, 21):
        make(tmp_path / "proc", pid, blue)
    make(tmp_path / "proc", 22, tmp_path / "own")
    (tmp_path / "proc" / "23").mkdir()  # has ended, or is not ours to see

    own = netns.own(tmp_path / "proc")
    assert netns.members(tmp_path / "proc") == {blue.stat().st_ino: [20, 21], own: [22]}


def test_so_many_processes_are_looked_at_and_no_more(
    tmp_path: Path, blue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netns, "MOST_PROCESSES", 2)
    for pid in (20, 21, 22):
        make(tmp_path / "proc", pid, blue)

    assert netns.members(tmp_path / "proc") == {blue.stat().st_ino: [20, 21]}


def test_of_several_files_for_one_namespace_the_first_by_name_is_told(tmp_path: Path, blue: Path) -> None:
    (tmp_path / "named").mkdir()
    for name in ("c", "a", "b"):
        (tmp_path / "named" / name).hardlink_to(blue)

    assert netns.files(tmp_path / "proc", tmp_path / "named") == {blue.stat().st_ino: "a"}


def test_so_many_files_are_looked_at_and_no_more(tmp_path: Path, blue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netns, "MOST_FILES", 2)
    (tmp_path / "named").mkdir()
    for number in range(4):
        (tmp_path / "named" / str(number)).touch()

    assert len(netns.files(tmp_path / "proc", tmp_path / "named")) == 2
    assert blue.stat().st_ino not in netns.files(tmp_path / "proc", tmp_path / "named")


def test_a_file_that_no_namespace_is_bound_to_has_no_number(tmp_path: Path) -> None:
    """What is left of one whose making has failed."""
    (tmp_path / "left").touch()

    assert netns.files(Path("/proc"), tmp_path) == {}


@pytest.mark.kernel
def test_a_file_that_ip_has_bound_has_the_number_of_who_is_inside(host: Namespace) -> None:
    number = int(host.run("stat", "-Lc", "%i", "/proc/self/ns/net"))

    assert netns.files(Path("/proc"), Path("/run/netns"))[number] == host.name


@pytest.mark.parametrize("folder", ["none", "blue"])
def test_where_there_is_no_folder_there_is_no_file_and_no_process(tmp_path: Path, folder: str, blue: Path) -> None:
    assert netns.files(tmp_path / "proc", blue.parent / folder) == {}
    assert netns.members(tmp_path / folder) == {}
    assert netns.own(tmp_path / folder) == 0


def test_the_error_is_that_of_the_last_that_could_not_be_opened(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        netns.opened(7, iter([f"{tmp_path}/none", str(tmp_path)]))

    assert caught.value.errno == errno.ENOENT
    assert caught.value.filename == f"{tmp_path}/none"


def test_places_share_a_namespace_by_a_process_or_a_file() -> None:
    places = Places({7: [20, 21]}, {8: "blue"})

    assert places.shares(7, Places({7: [21, 22]}, {}))
    assert places.shares(8, Places({8: [1]}, {8: "blue"}))
    assert not places.shares(7, Places({7: [22], 8: [20, 21]}, {}))
    assert not places.shares(8, Places({}, {8: "red"}))
    assert not places.shares(9, Places({}, {}))


def test_all_that_something_leads_to_have_numbers() -> None:
    assert Places({7: [20], 8: [21]}, {8: "blue", 9: "red"}).numbers() == {7, 8, 9}
