from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from exporter.errors import Malformed
from exporter.kernel.psutil_source import Connection, Psutil
from exporter.tcp.sockets import Listener
from exporter.tcp.states import State
from tests.kernel.test_sock_diag import Reader


def connection(status: str, local: int, remote: int | None = None, pid: int | None = None) -> Connection:
    end = SimpleNamespace(ip="192.0.2.1", port=remote) if remote else ()
    return SimpleNamespace(status=status, laddr=SimpleNamespace(ip="127.0.0.1", port=local), raddr=end, pid=pid)


def source(*connections: Connection) -> Psutil:
    found: Sequence[Connection] = connections
    return Psutil(lambda: found)


def test_connections_are_counted_by_state_and_role() -> None:
    reader = Reader()
    many = source(
        connection("LISTEN", 80),
        connection("ESTABLISHED", 80, 40000),
        connection("TIME_WAIT", 40001, 443),
        connection("FIN_WAIT2", 40002, 443, pid=7),
    )

    found = many.read(reader.roles_for, reader.watch)

    assert found.listeners == [Listener(80, None, None)]
    assert found.bulk[State.ESTABLISHED].endpoints() == {("server", 80): 1}
    assert found.bulk[State.TIME_WAIT].endpoints() == {("client", 443): 1}
    assert [(one.state, one.pid, one.inode) for one in reader.watched] == [(State.FIN_WAIT2, 7, None)]
    assert [found.ends(one) for one in reader.watched] == [("127.0.0.1:40002", "192.0.2.1:443")]
    assert not found.tells_timers


def test_a_connection_in_no_tcp_state_is_malformed() -> None:
    with pytest.raises(Malformed, match="status 'NONE'"):
        source(connection("NONE", 80)).read(Reader().roles_for, Reader().watch)


def test_a_closed_socket_without_a_remote_end_is_a_socket_all_the_same() -> None:
    reader = Reader()

    source(connection("CLOSE", 80)).read(reader.roles_for, reader.watch)

    assert [(one.state, one.remote_port) for one in reader.watched] == [(State.CLOSE, 0)]
