"""The netlink source against a scripted kernel, and its ways to ask against the real one."""

import errno
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import pytest

from exporter.decode import inet_diag
from exporter.errors import (
    ExporterError,
    Interrupted,
    KernelRefused,
    Malformed,
    ReadFailed,
    SourceUnavailable,
    TimedOut,
    Truncated,
)
from exporter.kernel import sock_diag
from exporter.kernel.sock_diag import TIMEOUT_SECONDS, SockDiag, connect
from exporter.tcp.reading import Bulk, Watched
from exporter.tcp.sockets import Listener, Origin
from exporter.tcp.states import SILENT, State, Timer
from tests.decode.messages import INFO, MINI, about, cgroup_id, done, error, info, message, stream
from tests.kernel.readings import Taken, take, taken
from tests.lab.netns import Namespace, Pair
from tests.lab.recipes import FAMILIES, Family, close_wait_held, established_client, fin_wait2_mini
from tests.lab.witness import wait_for

Answer = Sequence[bytes | OSError]
"""The datagrams that answer a request; an error is raised instead of one."""

LISTEN = 1 << State.LISTEN
TIME_WAIT = 1 << State.TIME_WAIT
REST = 0xFFE & ~LISTEN
"""All states but LISTEN."""
QUIET = sum(1 << state for state in SILENT)
WITH_INFO = 1 << (INFO - 1)

INTERRUPTED = message(about(8)[16:], flags=0x12)
"""About a socket in CLOSE_WAIT, by a kernel that says that the table has changed meanwhile."""


MPTCP = 16 + 56 + 8
"""Bytes of a request for MPTCP connections: header, struct inet_diag_req_v2, and the attribute with the protocol."""


class Kernel:
    """Answers requests by *answer*, which is given the kind of request and the bit set of states.

    Requests for MPTCP connections are answered by *mptcp*, each by the same.
    """

    def __init__(
        self,
        answer: Callable[[int, int], Answer],
        flags: int = 0,
        sender: int = 0,
        mptcp: Answer | None = None,
    ) -> None:
        self._answer, self._flags, self._sender, self._mptcp = answer, flags, sender, mptcp or [done()]
        self.asked_mptcp: list[bytes] = []
        self.asked: list[tuple[int, int]] = []
        self.extensions: list[int] = []
        """Of each request, what was asked for beside that."""
        self.opened = 0
        self._queue: list[bytes | OSError] = []
        self._sequence = 0

    def connect(self) -> socket.socket:
        self.opened += 1
        self._queue = []
        return self  # type: ignore[return-value]

    def send(self, request: bytes) -> None:
        _, kind, _, self._sequence, _ = struct.unpack_from("=IHHII", request)
        if len(request) == MPTCP:
            self.asked_mptcp.append(request[16:])
            self._queue += self._mptcp
            return
        form, at = ("=3xB48xI", 16) if kind == 18 else ("=2xBxI", 16)
        extensions, states = struct.unpack_from(form, request, at)
        self.asked.append((kind, states))
        self.extensions.append(extensions)
        self._queue += self._answer(kind, states)

    def recvmsg_into(self, buffers: list[memoryview]) -> tuple[int, list[object], int, tuple[int, int]]:
        """Datagrams are scripted with a sequence number of their own; each gets that of the request."""
        answer = self._queue.pop(0)
        if isinstance(answer, OSError):
            raise answer
        buffers[0][: len(answer)] = self._numbered(answer)
        return len(answer), [], self._flags, (self._sender, 0)

    def _numbered(self, datagram: bytes) -> bytes:
        numbered, at = bytearray(datagram), 0
        while at < len(datagram):
            struct.pack_into("=I", numbered, at + 8, self._sequence)
            at += struct.unpack_from("=I", datagram, at)[0]
        return bytes(numbered)

    def close(self) -> None:
        pass


def empty(_kind: int, _states: int) -> Answer:
    return [done()]


def but_listeners(*datagrams: bytes | OSError) -> Callable[[int, int], Answer]:
    """No listening sockets, and *datagrams* for all else."""
    return lambda _, states: [done()] if states == LISTEN else datagrams


def test_listeners_are_asked_for_first_and_all_else_in_one_walk() -> None:
    kernel = Kernel(empty)

    take(SockDiag(kernel.connect))

    assert kernel.asked == [(18, LISTEN), (18, REST)]
    assert kernel.extensions == [0, 0]


def test_listeners_come_with_their_accept_queues() -> None:
    listening = about(State.LISTEN, 8080, 0, queues=(3, 128), attributes=cgroup_id(42))
    kernel = Kernel(lambda _, states: [listening + done()] if states == LISTEN else [done()])

    assert take(SockDiag(kernel.connect)).listeners == [
        Listener(8080, 3, 128, inode=4711, cgroup_id=42, address=b"\x7f\0\0\1")
    ]


def test_bulk_states_are_tallied_and_the_others_come_one_by_one() -> None:
    answer = stream([about(1), about(6, attributes=MINI), about(8, cookie=1), about(5, cookie=2, attributes=MINI)])

    found = take(SockDiag(Kernel(but_listeners(answer, stream([about(1), about(1)]) + done())).connect))

    assert found.counts == {State.ESTABLISHED: 3, State.TIME_WAIT: 1, State.CLOSE_WAIT: 1, State.FIN_WAIT2: 1}
    assert sum(batch.sockets for batch in found.batches if isinstance(batch, Bulk)) == 4
    assert {(one.state, one.cookie) for one in found.watched} == {(State.CLOSE_WAIT, 1), (State.FIN_WAIT2, 2)}
    assert found.reading.tells_verdicts


def test_a_socket_is_known_by_its_key_also_after_later_readings() -> None:
    datagrams = [about(8, timer=1, expires=9) + done(), about(8, timer=1, expires=4) + done(), done()]
    source = SockDiag(Kernel(lambda _, states: [done() if states == LISTEN else datagrams.pop(0)]).connect)

    first, second, last = take(source), take(source), take(source)

    assert first.keys == second.keys
    assert last.keys == []
    assert [last.reading.socket(key) for key in first.keys] == first.watched == second.watched


def test_many_time_waits_get_a_walk_of_their_own() -> None:
    def answer(_: int, states: int) -> Answer:
        if not states & TIME_WAIT:
            return [done()]
        return [about(6, attributes=MINI) * 300] * 20 + [done()]

    kernel = Kernel(answer)
    source = SockDiag(kernel.connect)

    first, second = take(source), take(source)

    assert first.counts == second.counts == {State.TIME_WAIT: 6000}
    assert [states for _, states in kernel.asked[-2:]] == [REST & ~TIME_WAIT, TIME_WAIT]


def test_how_long_peers_are_silent_is_asked_for_in_a_walk_of_its_own() -> None:
    """It makes messages three times as long, so nobody else is asked."""
    kernel = Kernel(empty)

    take(SockDiag(kernel.connect), silences=True)

    assert kernel.asked == [(18, LISTEN), (18, QUIET), (18, REST & ~QUIET)]
    assert kernel.extensions == [0, WITH_INFO, 0]


def test_silences_are_asked_for_also_where_each_family_is_asked_by_itself() -> None:
    kernel = Kernel(lambda kind, _: [error(errno.ENOENT)] if kind == 18 else [done()])

    take(SockDiag(kernel.connect), silences=True)

    assert kernel.asked[3:5] == [(20, QUIET)] * 2
    assert kernel.extensions[1:] == [0, 0, WITH_INFO, WITH_INFO, 0, 0]


def test_silences_are_asked_for_also_where_time_waits_have_a_walk_of_their_own() -> None:
    many = [about(6, attributes=MINI) * 300] * 4 + [done()]
    kernel = Kernel(lambda _, states: many if states & TIME_WAIT else [done()])
    source = SockDiag(kernel.connect)
    take(source)

    take(source, silences=True)

    assert kernel.asked[-3:] == [(18, QUIET), (18, REST & ~QUIET & ~TIME_WAIT), (18, TIME_WAIT)]


def test_silence_and_cgroup_are_told_of_each_row() -> None:
    answer = about(8, attributes=info(5000) + cgroup_id(42)) + done()
    kernel = Kernel(lambda _, states: [answer] if states == QUIET else [done()])

    [rows] = take(SockDiag(kernel.connect), silences=True).rows

    assert list(rows.origins(b"\1")) == [Origin(42, 5.0, 8.0)]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP, errno.EPERM, errno.EACCES])
def test_a_kernel_without_the_legacy_request_is_asked_for_each_family(number: int) -> None:
    kernel = Kernel(lambda kind, _: [error(number)] if kind == 18 else [about(1) + done()])
    source = SockDiag(kernel.connect)

    assert take(source).counts[State.ESTABLISHED] == 2
    assert kernel.asked[1:] == [(20, LISTEN), (20, LISTEN), (20, REST), (20, REST)]

    take(source)
    assert (18, LISTEN) not in kernel.asked[1:]


def test_a_kernel_that_refuses_both_is_no_source_and_the_module_is_named_that_it_lacks() -> None:
    expected = (
        "no dump of TCP sockets: the kernel refused the dump with error 2, .*inet_diag and tcp_diag .modprobe tcp"
    )
    with pytest.raises(SourceUnavailable, match=expected):
        take(SockDiag(Kernel(lambda _, __: [error(errno.ENOENT)]).connect))


def test_a_kernel_that_refuses_for_another_reason_lacks_no_module() -> None:
    with pytest.raises(SourceUnavailable, match=r"the kernel refused the dump with error 1$"):
        take(SockDiag(Kernel(lambda _, __: [error(errno.EPERM)]).connect))


def test_a_kernel_that_has_loaded_its_module_by_now_is_asked_in_one_walk_again() -> None:
    answers = [[error(errno.ENOENT)]] * 2
    kernel = Kernel(lambda _, __: answers.pop() if answers else [done()])
    source = SockDiag(kernel.connect)
    with pytest.raises(SourceUnavailable):
        take(source)
    kernel.asked.clear()

    take(source)

    assert kernel.asked == [(18, LISTEN), (18, REST)]


def test_where_there_is_no_netlink_there_is_no_source() -> None:
    def connect() -> socket.socket:
        raise SourceUnavailable("no netlink socket")

    with pytest.raises(SourceUnavailable):
        take(SockDiag(connect))


SCARCE = [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM]
ABSENT = [errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENOSYS, errno.EINVAL]


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(number, "scripted")

    return fail


@pytest.mark.parametrize("number", SCARCE)
def test_where_netlink_sockets_are_scarce_the_sample_has_failed(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", failing(number))

    with pytest.raises(ReadFailed, match="no netlink socket"):
        take(SockDiag())


@pytest.mark.parametrize("number", ABSENT)
def test_where_netlink_sockets_cannot_be_made_there_is_no_source(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", failing(number))

    with pytest.raises(SourceUnavailable, match="no netlink socket"):
        take(SockDiag())


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ECONNREFUSED])
@pytest.mark.parametrize("call", ["send", "recvmsg_into"])
def test_where_one_may_not_ask_there_is_no_source(number: int, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SELinux lets a domain have the socket, and not the answer."""
    monkeypatch.setattr(Kernel, call, failing(number))

    with pytest.raises(SourceUnavailable, match=r"a dump: .*scripted"):
        take(SockDiag(Kernel(empty).connect))


SO_RCVTIMEO_NEW = 66  # include/uapi/asm-generic/socket.h


@pytest.mark.parametrize("option", [socket.SO_RCVTIMEO, SO_RCVTIMEO_NEW])
def test_the_real_kernel_is_not_waited_for_longer_than_said_whatever_the_size_of_its_times(
    option: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 32-bit ARM with times of 64 bits a pair of longs is too short."""
    monkeypatch.setattr(socket, "SO_RCVTIMEO", option)
    monkeypatch.setattr(sock_diag, "_TIMEVALS", (struct.Struct("=ll"), struct.Struct("=qq")))

    with connect() as opened:
        assert struct.unpack("=qq", opened.getsockopt(socket.SOL_SOCKET, SO_RCVTIMEO_NEW, 16)) == (TIMEOUT_SECONDS, 0)


def test_a_socket_that_may_wait_forever_is_no_source_and_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[socket.socket] = []

    class Unbounded(socket.socket):
        def setsockopt(self, *_: object) -> None:
            opened.append(self)
            raise OSError(errno.EINVAL, "scripted")

    monkeypatch.setattr(socket, "socket", Unbounded)

    with pytest.raises(SourceUnavailable, match=r"no netlink socket: .*scripted"):
        take(SockDiag())
    assert {one.fileno() for one in opened} == {-1}


FAILURES: list[tuple[Kernel, type[ExporterError]]] = [
    (Kernel(but_listeners(error(errno.EBUSY))), KernelRefused),
    (Kernel(but_listeners(about(1)[:-4], done())), Truncated),
    (Kernel(but_listeners(about(1), message(b"odd!"), done())), Malformed),
    (Kernel(but_listeners(about(1), done(errno=errno.ENOMEM))), KernelRefused),
    (Kernel(but_listeners(about(77), done())), Malformed),
    (Kernel(but_listeners(about(State.LISTEN), done())), Malformed),
    (Kernel(but_listeners(about(1), INTERRUPTED, done())), Interrupted),
    (Kernel(lambda _, __: [INTERRUPTED, done()]), Interrupted),
    (Kernel(lambda _, __: [error(errno.EBUSY)]), KernelRefused),
    (Kernel(but_listeners(about(1), BlockingIOError())), TimedOut),
    (Kernel(but_listeners(about(1), OSError(errno.ENOBUFS, "no buffers"))), ReadFailed),
    (Kernel(but_listeners(about(1), done()), flags=socket.MSG_TRUNC), Truncated),
    (Kernel(but_listeners(about(1), done()), sender=4711), Malformed),
]


@pytest.mark.parametrize(("kernel", "failure"), FAILURES, ids=range(len(FAILURES)))
def test_a_dump_that_fails_is_never_a_count_and_the_socket_is_opened_anew(
    kernel: Kernel, failure: type[ExporterError]
) -> None:
    """What is left of the failed dump would be taken for the answer to the next request."""
    source = SockDiag(kernel.connect)

    for opened in (1, 2):
        with pytest.raises(failure):
            take(source)
        assert kernel.opened == opened


def test_after_a_mistake_of_the_reader_the_socket_is_opened_anew() -> None:
    """It leaves a dump half read."""
    kernel = Kernel(but_listeners(about(1), done()))
    source = SockDiag(kernel.connect)

    with pytest.raises(ZeroDivisionError), source.reading() as reading:
        _ = next(reading.batches), 1 // 0

    assert take(source).counts == {State.ESTABLISHED: 1}
    assert kernel.opened == 2


def test_after_an_interrupted_dump_the_next_is_a_dump_like_any_other() -> None:
    dumps: list[Answer] = [[about(1), INTERRUPTED, done()], [about(8), done()]]
    source = SockDiag(Kernel(lambda _, states: [done()] if states == LISTEN else dumps.pop(0)).connect)

    with pytest.raises(Interrupted):
        take(source)

    assert take(source).counts == {State.CLOSE_WAIT: 1}


@pytest.mark.kernel
@pytest.mark.parametrize("family", FAMILIES)
def test_one_request_per_family_gives_what_the_legacy_request_gives(family: Family, pair: Pair) -> None:
    with close_wait_held(pair, family, 3) as held, held.place.entered():
        legacy, modern = SockDiag(), SockDiag()
        modern._families = (socket.AF_INET, socket.AF_INET6)
        one, other = take(legacy), take(modern)

        assert one.counts == other.counts == {State.CLOSE_WAIT: 3}
        assert sorted(one.keys) == sorted(other.keys)
        legacy.close()
        modern.close()


@pytest.mark.kernel
@pytest.mark.parametrize("family", FAMILIES)
def test_the_real_kernel_tells_silence_and_cgroup_and_the_keys_stay_the_same(family: Family, pair: Pair) -> None:
    with close_wait_held(pair, family, 3) as held:
        plain, asked = taken(SockDiag, held.place), taken(SockDiag, held.place, silences=True)

        assert sorted(plain.keys) == sorted(asked.keys)
        assert {origin.silence for origin in origins(plain)} == {0.0}
        assert {origin.cgroup_id for origin in origins(plain)} == {origin.cgroup_id for origin in origins(asked)}
        assert all(origin.cgroup_id for origin in origins(plain))
        wait_for(
            lambda: all(0 < one.silence < 60 for one in origins(taken(SockDiag, held.place, silences=True))),
            "their peers have been silent for a moment",
        )


def origins(found: Taken) -> list[Origin]:
    return [origin for rows in found.rows for origin in rows.origins(b"\1" * len(rows.keys()))]


@pytest.mark.kernel
def test_a_timer_that_runs_does_not_change_the_key_of_a_real_socket(pair: Pair) -> None:
    with fin_wait2_mini(pair, "4", 5) as orphans, orphans.place.entered():
        source = SockDiag()
        first = take(source)

        assert {one.timer for one in first.watched} == {Timer.TIME_WAIT}
        wait_for(lambda: max(expiries(take(source))) < min(expiries(first)), "their timers have run on")
        assert sorted(take(source).keys) == sorted(first.keys)
        source.close()


def expiries(found: Taken) -> list[int]:
    """What is left of the timers, in milliseconds."""
    netlink_rows = [rows for rows in found.rows if isinstance(rows, inet_diag.Rows)]
    return [struct.unpack_from("=I", rows.data, at + 68)[0] for rows in netlink_rows for at in rows._places()]


@pytest.mark.kernel
def test_mixed_messages_of_the_real_kernel_are_taken_apart(pair: Pair) -> None:
    """Orphans in FIN_WAIT2 are described in short messages, between the long ones of other sockets."""
    with (
        fin_wait2_mini(pair, "4", 50) as orphans,
        established_client(pair, "6", 50),
        orphans.place.entered(),
    ):
        source = SockDiag()
        assert take(source).counts == {State.FIN_WAIT2: 50, State.ESTABLISHED: 50}
        source.close()


def test_mptcp_connections_are_asked_for_in_either_family_and_only_while_half_closed() -> None:
    kernel = Kernel(empty)

    take(SockDiag(kernel.connect))

    assert [request[:2] for request in kernel.asked_mptcp] == [bytes([family, 6]) for family in (2, 10)]
    assert {struct.unpack_from("=I", request, 4)[0] for request in kernel.asked_mptcp} == {QUIET}
    assert {request[56:] for request in kernel.asked_mptcp} == {struct.pack("=HHI", 8, 3, 262)}


def test_mptcp_connections_come_as_such() -> None:
    kernel = Kernel(but_listeners(about(8, cookie=1), done()), mptcp=[about(8, cookie=2), done()])

    with SockDiag(kernel.connect).reading() as reading:
        batches = [batch for batch in reading.batches if isinstance(batch, Watched)]
        sockets = [(batch.are_mptcp, reading.socket(key)) for batch in batches for key in (*batch.rows.keys(),)]
    found = [(are_mptcp, socket.is_mptcp, socket.cookie) for are_mptcp, socket in sockets]

    assert found == [(False, False, 1), (True, True, 2), (True, True, 2)]


def test_a_kernel_without_mptcp_is_asked_for_it_once() -> None:
    kernel = Kernel(but_listeners(about(1), done()), mptcp=[error(errno.ENOENT)])
    source = SockDiag(kernel.connect)

    assert [take(source).counts[State.ESTABLISHED] for _ in range(3)] == [1, 1, 1]
    assert len(kernel.asked_mptcp) == 1


@pytest.mark.kernel
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_half_closed_mptcp_connections_of_the_real_kernel(family: socket.AddressFamily, host: Namespace) -> None:
    """Their subflows stay established."""
    with host.entered(), ExitStack() as kept:
        listening = kept.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_MPTCP))
        listening.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 8080))
        listening.listen()
        client = kept.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_MPTCP))
        client.connect(listening.getsockname())
        server = kept.enter_context(listening.accept()[0])
        client.shutdown(socket.SHUT_WR)
        assert server.recv(1) == b""
        source = SockDiag()
        kept.callback(source.close)
        wait_for(lambda: len(take(source).watched) == 2, "both ends are half-closed")

        found = take(source)

    assert found.counts[State.ESTABLISHED] == 2
    assert {(one.state, one.is_mptcp) for one in found.watched} == {(State.FIN_WAIT2, True), (State.CLOSE_WAIT, True)}
    assert all(one.inode for one in found.watched)
