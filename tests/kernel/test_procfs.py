from pathlib import Path

import pytest

from exporter.errors import Malformed, ReadFailed, SourceUnavailable, Truncated
from exporter.kernel.procfs import Procfs
from exporter.tcp.sockets import Listener
from exporter.tcp.states import State
from tests.decode.test_proc_net_tcp import HEADING, LISTEN, TIME_WAIT, V6
from tests.kernel.test_sock_diag import Reader


def proc(root: Path, tcp: bytes, tcp6: bytes | None = None) -> Path:
    net = root / "self/net"
    net.mkdir(parents=True)
    (net / "tcp").write_bytes(tcp)
    if tcp6 is not None:
        (net / "tcp6").write_bytes(tcp6)
    return root


def lines(*wanted: bytes) -> bytes:
    return b"".join(line + b"\n" for line in (HEADING, *wanted))


def test_both_files_are_read(tmp_path: Path) -> None:
    source = Procfs(proc(tmp_path, lines(LISTEN, TIME_WAIT), lines(V6)))
    reader = Reader()

    found = source.read(reader.roles_for, reader.watch)

    assert found.listeners == [Listener(8080, 3, None, inode=4711)]
    assert found.bulk[State.TIME_WAIT].endpoints() == {("server", 8080): 1}
    assert [one.state for one in reader.watched] == [State.CLOSE_WAIT]


def test_a_kernel_without_ipv6_has_no_second_file(tmp_path: Path) -> None:
    source = Procfs(proc(tmp_path, lines(TIME_WAIT)))
    reader = Reader()

    assert source.read(reader.roles_for, reader.watch).bulk[State.TIME_WAIT].sockets() == 1


def test_a_file_longer_than_a_chunk_is_read_to_its_end(tmp_path: Path) -> None:
    source = Procfs(proc(tmp_path, lines(*[TIME_WAIT] * 5000)))
    reader = Reader()

    assert source.read(reader.roles_for, reader.watch).bulk[State.TIME_WAIT].sockets() == 5000


def test_without_the_files_there_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        Procfs(tmp_path).read(Reader().roles_for, Reader().watch)


@pytest.mark.parametrize(
    ("content", "failure"),
    [
        (lines(LISTEN, TIME_WAIT)[:-10], Truncated),
        (lines(LISTEN, TIME_WAIT.replace(b" 06 ", b" 99 ")), Malformed),
        (lines(LISTEN, b"nonsense"), Malformed),
    ],
)
def test_a_file_that_makes_no_sense_is_never_a_count(tmp_path: Path, content: bytes, failure: type[Exception]) -> None:
    with pytest.raises(failure):
        Procfs(proc(tmp_path, content)).read(Reader().roles_for, Reader().watch)


def test_a_file_that_cannot_be_read_is_a_failed_reading(tmp_path: Path) -> None:
    (tmp_path / "self/net/tcp").mkdir(parents=True)

    with pytest.raises(ReadFailed):
        Procfs(tmp_path).read(Reader().roles_for, Reader().watch)
