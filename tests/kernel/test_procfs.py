from pathlib import Path

import pytest

from exporter.decode import proc_net_tcp
from exporter.errors import Malformed, ReadFailed, SourceUnavailable, Truncated
from exporter.kernel.procfs import Procfs
from exporter.tcp.sockets import Listener, Service
from exporter.tcp.states import State
from tests.decode.test_proc_net_tcp import HEADING, LISTEN, TIME_WAIT, V6
from tests.kernel.readings import take


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
    found = take(Procfs(proc(tmp_path, lines(LISTEN, TIME_WAIT), lines(V6))))

    assert found.listeners == [Listener(8080, 3, None, inode=4711)]
    assert found.services(State.TIME_WAIT) == {Service("server", 8080): 1}
    assert [one.state for one in found.watched] == [State.CLOSE_WAIT]
    assert found.counts == {State.LISTEN: 1, State.TIME_WAIT: 1, State.CLOSE_WAIT: 1}
    assert found.reading.tells_verdicts


def test_a_socket_comes_as_its_line_tells_it(tmp_path: Path) -> None:
    [found] = take(Procfs(proc(tmp_path, lines(), lines(V6)))).watched

    assert found == proc_net_tcp.socket(V6)


def test_listeners_of_both_files_are_told_before_all_other_sockets(tmp_path: Path) -> None:
    listen_v6 = LISTEN.replace(b"0100007F:1F90 00000000:0000", b"%032d:0050 %032d:0000" % (0, 0))
    source = Procfs(proc(tmp_path, lines(LISTEN, TIME_WAIT), lines(listen_v6, V6)))

    with source.reading() as reading:
        assert [listener.port for listener in reading.listeners] == [8080, 80]


def test_a_kernel_without_ipv6_has_no_second_file(tmp_path: Path) -> None:
    assert take(Procfs(proc(tmp_path, lines(TIME_WAIT)))).counts == {State.TIME_WAIT: 1}


def test_a_file_longer_than_a_chunk_is_read_to_its_end(tmp_path: Path) -> None:
    assert take(Procfs(proc(tmp_path, lines(*[TIME_WAIT] * 5000)))).counts == {State.TIME_WAIT: 5000}


def test_without_the_files_there_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        take(Procfs(tmp_path))


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
        take(Procfs(proc(tmp_path, content)))


def test_a_second_file_that_makes_no_sense_is_never_a_count(tmp_path: Path) -> None:
    with pytest.raises(Truncated):
        take(Procfs(proc(tmp_path, lines(LISTEN), lines(V6)[:-10])))


def test_a_file_that_cannot_be_read_is_a_failed_reading(tmp_path: Path) -> None:
    (tmp_path / "self/net/tcp").mkdir(parents=True)

    with pytest.raises(ReadFailed):
        take(Procfs(tmp_path))
