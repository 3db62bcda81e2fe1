import sys
from collections.abc import Sequence
from types import SimpleNamespace

import psutil
import pytest

from exporter.errors import Malformed, ReadFailed, SourceUnavailable
from exporter.kernel.psutil_source import Connection, Psutil, net_connections
from exporter.tcp.sockets import Ends, Listener, Service
from exporter.tcp.states import State
from tests.kernel.readings import take


def end(address: str, port: int) -> SimpleNamespace:
    return SimpleNamespace(ip=address, port=port)


def connection(status: str, local: int, remote: int | None = None, pid: int | None = None) -> Connection:
    peer = end("192.0.2.1", remote) if remote else ()
    return SimpleNamespace(status=status, laddr=end("127.0.0.1", local), raddr=peer, pid=pid)


def source(*connections: Connection) -> Psutil:
    found: Sequence[Connection] = connections
    return Psutil(lambda: found)


def test_connections_are_counted_by_state_and_role() -> None:
    many = source(
        connection("LISTEN", 80),
        connection("ESTABLISHED", 80, 40000),
        connection("TIME_WAIT", 40001, 443),
        connection("FIN_WAIT2", 40002, 443, pid=7),
    )

    found = take(many)

    assert found.listeners == [Listener(80, None, None, address=b"\x7f\0\0\1")]
    assert found.services(State.ESTABLISHED) == {Service("server", 80): 1}
    assert found.services(State.TIME_WAIT) == {Service("client", 443): 1}
    assert [(one.state, one.pid, one.inode) for one in found.watched] == [(State.FIN_WAIT2, 7, None)]
    assert [one.ends for one in found.watched] == [Ends("127.0.0.1:40002", "192.0.2.1:443")]
    assert not found.reading.tells_verdicts


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("fd99::1", "[fd99::1]:40000", id="IPv6"),
        pytest.param("fe80::1%eth0", "[fe80::1]:40000", id="with a scope"),
        pytest.param("::ffff:10.99.0.1", "[::ffff:10.99.0.1]:40000", id="mapped"),
    ],
)
def test_an_ipv6_address_is_written_in_brackets(address: str, expected: str) -> None:
    peer = SimpleNamespace(status="CLOSE_WAIT", laddr=end(address, 40000), raddr=end(address, 443), pid=None)

    [found] = take(source(peer)).watched

    assert found.ends == Ends(expected, expected.replace("40000", "443"))
    assert found.is_ipv6


def test_a_connection_whose_process_is_not_told_has_none() -> None:
    assert [one.pid for one in take(source(connection("FIN_WAIT2", 40002, 443))).watched] == [0]


@pytest.mark.parametrize("status", ["NONE", "DELETE_TCB", ""])
def test_a_connection_in_no_tcp_state_is_malformed(status: str) -> None:
    with pytest.raises(Malformed, match=f"status '{status}'"):
        take(source(connection("ESTABLISHED", 80, 40000), connection(status, 80)))


def test_a_closed_socket_without_a_remote_end_is_a_socket_all_the_same() -> None:
    found = take(source(connection("CLOSE", 80)))

    assert found.counts == {State.CLOSE: 1}
    assert found.services(State.CLOSE) == {Service("client", 0): 1}


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (psutil.AccessDenied(), SourceUnavailable),
        (NotImplementedError("no such platform"), SourceUnavailable),
        (psutil.NoSuchProcess(7), ReadFailed),
        (OSError("no memory"), ReadFailed),
        (RuntimeError("malformed line"), Malformed),
        (ValueError("not an address"), Malformed),
    ],
    ids=["forbidden", "unknown system", "psutil fails", "the system fails", "an odd line", "an odd number"],
)
def test_where_psutil_fails_it_is_said_whether_it_works_at_all(
    error: Exception, failure: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(kind: str) -> Sequence[Connection]:
        assert kind == "tcp"
        raise error

    monkeypatch.setattr(psutil, "net_connections", fail)

    with pytest.raises(failure):
        take(Psutil())


def test_without_psutil_there_is_no_such_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)

    with pytest.raises(SourceUnavailable, match="no psutil"):
        net_connections()
