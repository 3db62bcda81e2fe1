import os
import resource
import socket
from pathlib import Path

import pytest

from exporter.kernel import descriptor_use
from exporter.kernel.descriptor_use import FRESH_SECONDS, DescriptorUse
from exporter.tcp.holders import Descriptors

GONE = 1 << 22
"""No process has this number: a 64-bit kernel's PID_MAX_LIMIT."""


class Proc:
    """A /proc with processes that have descriptors and limits."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def process(self, pid: int, number: int, limit: object = 1024) -> None:
        """With so many descriptors; a file tells their number by its size, as the folder of the kernel does."""
        folder = self.root / str(pid)
        folder.mkdir()
        (folder / "fd").write_bytes(bytes(number))
        self.limit(pid, limit)

    def limit(self, pid: int, limit: object) -> None:
        """The soft limit, before the hard one."""
        text = f"Max processes       7        7     processes\nMax open files     {limit}     4096     files\n"
        (self.root / str(pid) / "limits").write_text(text)

    def use(self) -> DescriptorUse:
        return DescriptorUse(self.root)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_each_process_is_told_with_its_descriptors_and_their_limit(proc: Proc) -> None:
    proc.process(7, 500, limit=512)
    proc.process(8, 20)
    proc.process(9, 30)

    assert proc.use().of([8, 7, 8], now=0.0) == {8: Descriptors(20, 1024), 7: Descriptors(500, 512)}


def test_who_is_not_asked_for_is_not_told(proc: Proc) -> None:
    proc.process(7, 500)

    assert proc.use().of([], now=0.0) == {}


def test_the_number_is_that_of_the_moment_and_the_limit_is_read_again_after_a_while(proc: Proc) -> None:
    proc.process(7, 500)
    use = proc.use()
    use.of([7], now=5.0)
    (proc.root / "7" / "fd").write_bytes(bytes(501))
    proc.limit(7, 2048)

    assert use.of([7], now=4.9 + FRESH_SECONDS) == {7: Descriptors(501, 1024)}
    assert use.of([7], now=5.0 + FRESH_SECONDS) == {7: Descriptors(501, 2048)}


def test_the_limit_of_a_process_that_is_not_asked_for_meanwhile_is_forgotten(proc: Proc) -> None:
    """Another may have its number by then."""
    proc.process(7, 500)
    use = proc.use()
    use.of([7], now=0.0)
    proc.limit(7, 2048)

    assert use.of([], now=1.0) == {}
    assert use.of([7], now=2.0) == {7: Descriptors(500, 2048)}


def test_before_linux_6_2_they_are_counted_one_by_one(proc: Proc) -> None:
    """A folder of an older /proc has no size: such as /proc/PID/fdinfo still is, with an entry for each descriptor."""
    proc.process(7, 0)
    listed = Path(f"/proc/{os.getpid()}/fdinfo")
    (proc.root / "7" / "fd").unlink()
    (proc.root / "7" / "fd").symlink_to(listed)
    assert listed.stat().st_size == 0

    assert proc.use().of([7], now=0.0) == {7: Descriptors(sum(1 for _ in listed.iterdir()), 1024)}


@pytest.mark.parametrize("file", ["fd", "limits"])
def test_a_process_that_has_ended_is_left_out(file: str, proc: Proc) -> None:
    proc.process(7, 500)
    proc.process(8, 20)
    (proc.root / "7" / file).unlink()

    assert proc.use().of([7, GONE, 8], now=0.0) == {8: Descriptors(20, 1024)}


def test_a_process_that_ends_while_its_limit_is_remembered_is_left_out(proc: Proc) -> None:
    proc.process(7, 500)
    use = proc.use()
    assert use.of([7], now=0.0)

    (proc.root / "7" / "fd").unlink()

    assert use.of([7], now=1.0) == {}


def test_a_process_that_cannot_be_looked_into_is_left_out(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of another user's, where the number is not told either."""

    def refuse(folder: Path) -> None:
        raise PermissionError(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    proc.process(7, 0)
    proc.process(8, 20)

    assert proc.use().of([7, 8], now=0.0) == {8: Descriptors(20, 1024)}


@pytest.mark.parametrize("limit", ["unlimited", "many", "-1", 0])
def test_a_process_without_a_limit_that_is_a_number_is_left_out(limit: object, proc: Proc) -> None:
    proc.process(7, 500, limit)

    assert proc.use().of([7], now=0.0) == {}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n", b"Max open files", b"Max processes  7  7  processes\n"])
def test_a_process_whose_limits_make_no_sense_is_left_out(content: bytes, proc: Proc) -> None:
    proc.process(7, 500)
    (proc.root / "7" / "limits").write_bytes(content)

    assert proc.use().of([7], now=0.0) == {}


def test_a_limit_that_was_not_told_is_asked_for_again_after_a_while(proc: Proc) -> None:
    proc.process(7, 500, limit="unlimited")
    use = proc.use()
    use.of([7], now=0.0)
    proc.limit(7, 1024)

    assert use.of([7], now=FRESH_SECONDS - 1) == {}
    assert use.of([7], now=FRESH_SECONDS) == {7: Descriptors(500, 1024)}


def test_so_many_processes_are_asked_and_no_more(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones, each once."""
    monkeypatch.setattr(descriptor_use, "ASKED", 3)
    for pid in range(1, 9):
        proc.process(pid, pid)

    assert list(proc.use().of([8, 8, 8, 6, 2, 1], now=0.0)) == [8, 6, 2]


def test_without_proc_nothing_is_known(tmp_path: Path) -> None:
    assert DescriptorUse(tmp_path / "none").of([1], now=0.0) == {}


def test_this_process_is_told_what_it_has_open_and_what_it_may() -> None:
    own, use = os.getpid(), DescriptorUse()
    before = use.of([own, GONE], now=0.0)
    listed = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as the kernel lists them
    with socket.socket():
        after = use.of([own], now=1.0)

    assert before.keys() == after.keys() == {own}
    assert before[own].limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert listed - 1 <= before[own].open <= listed  # whoever lists them has one more open
    assert after[own].open == before[own].open + 1
