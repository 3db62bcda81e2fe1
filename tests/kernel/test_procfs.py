import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from exporter.decode import proc_net_tcp
from exporter.errors import Malformed, ReadFailed, SourceUnavailable, Truncated
from exporter.kernel.procfs import ENOUGH, Procfs
from exporter.tcp.sockets import Listener, Service
from exporter.tcp.states import State
from exporter.tcp.verdicts import FIN_TIMEOUT, verdict
from tests.decode.test_proc_net_tcp import GVISOR_CLOSE_WAIT, GVISOR_LISTEN, HEADING, LISTEN, TIME_WAIT, V6
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


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_both_files_are_read(tmp_path: Path) -> None:
    found = take(Procfs(proc(tmp_path, lines(LISTEN, TIME_WAIT), lines(V6))))

    assert found.listeners == [Listener(8080, 3, None, inode=4711, address=b"\x7f\0\0\1")]
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


@pytest.mark.parametrize("before", [1, ENOUGH, 3 * ENOUGH])
def test_listening_sockets_are_found_wherever_they_stand(tmp_path: Path, before: int) -> None:
    """gVisor has its sockets in random order."""
    table = lines(*[GVISOR_CLOSE_WAIT] * before, GVISOR_LISTEN, GVISOR_CLOSE_WAIT, GVISOR_LISTEN)

    found = take(Procfs(proc(tmp_path, table, table)))

    assert [listener.port for listener in found.listeners] == [8081] * 4
    assert found.counts == {State.LISTEN: 4, State.CLOSE_WAIT: 2 * (before + 1)}


def test_listening_sockets_of_an_unknown_kernel_are_found_too_if_its_order_shows(tmp_path: Path) -> None:
    table = lines(TIME_WAIT, LISTEN, *[TIME_WAIT] * ENOUGH, LISTEN)

    assert take(Procfs(proc(tmp_path, table))).counts == {State.LISTEN: 2, State.TIME_WAIT: ENOUGH + 1}


def test_any_number_of_sockets_may_listen(tmp_path: Path) -> None:
    table = lines(*[LISTEN] * 3 * ENOUGH, *[TIME_WAIT] * ENOUGH)

    assert take(Procfs(proc(tmp_path, table))).counts == {State.LISTEN: 3 * ENOUGH, State.TIME_WAIT: ENOUGH}


def test_each_file_is_read_once_and_what_does_not_listen_as_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Procfs(proc(tmp_path, lines(LISTEN, *[TIME_WAIT] * ENOUGH, b"nonsense"), lines(V6)))
    opened = Counter[str]()
    opening = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, *how, **more: opened.update([path.name]) or opening(path, *how, **more)
    )

    with source.reading() as reading:
        assert len(reading.listeners) == 1
        with pytest.raises(Malformed, match="nonsense"):
            list(reading.batches)

    assert opened == {"tcp": 1, "tcp6": 1}


def test_no_file_stays_open_behind_a_reading_that_was_not_taken(tmp_path: Path) -> None:
    source = Procfs(proc(tmp_path, lines(*[TIME_WAIT] * 2 * ENOUGH), lines(V6)))
    before = open_files()

    with source.reading():
        assert open_files() > before

    assert open_files() == before


@pytest.mark.parametrize("inode", [b" 5 1 ", b" 0 1 "])
def test_where_timers_and_queues_are_not_told_nothing_is_said_of_how_sockets_end(tmp_path: Path, inode: bytes) -> None:
    table = lines(GVISOR_CLOSE_WAIT.replace(b" 5 1 ", inode), GVISOR_LISTEN)

    found = take(Procfs(proc(tmp_path, table, lines())))

    assert not found.reading.tells_verdicts
    assert [(one.inode, verdict(one)) for one in found.watched] == [(None, None)]
    assert [listener.queued for listener in found.listeners] == [None]


def test_an_orphan_has_no_inode_and_ends_by_a_timer_all_the_same(tmp_path: Path) -> None:
    fin_wait2 = V6.replace(b" 08 ", b" 05 ").replace(b" 99 1 ", b" 0 1 ")

    found = take(Procfs(proc(tmp_path, lines(), lines(fin_wait2))))

    assert found.reading.tells_verdicts
    assert list(map(verdict, found.watched)) == [FIN_TIMEOUT]


def test_a_heading_alone_is_no_sockets(tmp_path: Path) -> None:
    found = take(Procfs(proc(tmp_path, lines(), lines())))

    assert found.counts == {}
    assert found.reading.tells_verdicts


@pytest.mark.parametrize(("tcp", "tcp6"), [(b"", b""), (b"", None), (b"", lines(V6)), (lines(LISTEN), b"")])
def test_without_a_heading_there_is_no_source(tmp_path: Path, tcp: bytes, tcp6: bytes | None) -> None:
    """WSL 1 has empty files, whatever sockets there are."""
    with pytest.raises(SourceUnavailable, match="no heading"):
        take(Procfs(proc(tmp_path, tcp, tcp6)))


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


@contextmanager
def nobody() -> Iterator[None]:
    """For this process, which is root's otherwise."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.kernel
@pytest.mark.parametrize("hidden", ["self", "self/net/tcp", "self/net/tcp6"])
def test_what_may_not_be_seen_is_no_source(hidden: str) -> None:
    with TemporaryDirectory() as folder:
        root = proc(Path(folder), lines(), lines())
        root.chmod(0o755)
        (root / hidden).chmod(0)

        with nobody(), pytest.raises(SourceUnavailable, match="Permission denied"):
            take(Procfs(root))
