"""The netlink source against a scripted kernel, and its ways to ask against the real one."""

import errno
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import pytest

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
from exporter.kernel.sock_diag import SockDiag
from exporter.tcp.roles import Roles
from exporter.tcp.sockets import Listener, Socket
from exporter.tcp.states import State
from tests.decode.messages import MINI, about, done, error, message, stream
from tests.lab.netns import Pair
from tests.lab.recipes import FAMILIES, Family, close_wait_held, established_client, fin_wait2_mini

Answer = Sequence[bytes | OSError]
"""The datagrams that answer a request; an error is raised instead of one."""

LISTEN = 1 << State.LISTEN
TIME_WAIT = 1 << State.TIME_WAIT


class Kernel:
    """Answers requests by *answer*, which is given the kind of request and the bit set of states."""

    def __init__(self, answer: Callable[[int, int], Answer], flags: int = 0, sender: int = 0) -> None:
        self._answer, self._flags, self._sender = answer, flags, sender
        self.asked: list[tuple[int, int]] = []
        self.opened = 0
        self._queue: list[bytes | OSError] = []
        self._sequence = 0

    def connect(self) -> socket.socket:
        self.opened += 1
        self._queue = []
        return self  # type: ignore[return-value]

    def send(self, request: bytes) -> None:
        _, kind, _, self._sequence, _ = struct.unpack_from("=IHHII", request)
        [states] = struct.unpack_from("=I", request, 16 + 52 if kind == 18 else 16 + 4)
        self.asked.append((kind, states))
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


class Reader:
    """What the upper floors do with a source."""

    def __init__(self) -> None:
        self.watched: list[Socket] = []

    def roles_for(self, listeners: Sequence[Listener]) -> Roles:
        self.watched = []
        return Roles([one.port for one in listeners], range(32768, 61000))

    def watch(self, sockets: Iterable[Socket]) -> None:
        self.watched += sockets

    def read(self, source: SockDiag) -> Counter[State]:
        """Sockets by state."""
        found = source.read(self.roles_for, self.watch)
        counts = Counter({state: tally.sockets() for state, tally in found.bulk.items()})
        counts[State.LISTEN] = len(found.listeners)
        return counts + Counter(one.state for one in self.watched)


def test_listeners_are_asked_for_first_and_all_else_in_one_walk() -> None:
    kernel = Kernel(empty)

    Reader().read(SockDiag(kernel.connect))

    assert kernel.asked == [(18, LISTEN), (18, 0xFFE & ~LISTEN)]


def test_bulk_states_are_tallied_and_the_others_come_one_by_one() -> None:
    answer = stream([about(1), about(6, attributes=MINI), about(8, cookie=1), about(5, cookie=2, attributes=MINI)])
    reader = Reader()

    counts = reader.read(SockDiag(Kernel(but_listeners(answer, stream([about(1), about(1)]) + done())).connect))

    assert counts == {State.ESTABLISHED: 3, State.TIME_WAIT: 1, State.CLOSE_WAIT: 1, State.FIN_WAIT2: 1}
    assert [one.state for one in reader.watched] == [State.CLOSE_WAIT, State.FIN_WAIT2]


def test_many_time_waits_get_a_walk_of_their_own() -> None:
    def answer(_: int, states: int) -> Answer:
        if not states & TIME_WAIT:
            return [done()]
        return [about(6, attributes=MINI) * 300] * 20 + [done()]

    kernel = Kernel(answer)
    source = SockDiag(kernel.connect)

    first, second = Reader().read(source), Reader().read(source)

    assert first == second == {State.TIME_WAIT: 6000}
    assert [states for _, states in kernel.asked[-2:]] == [0xFFE & ~LISTEN & ~TIME_WAIT, TIME_WAIT]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP])
def test_a_kernel_without_the_legacy_request_is_asked_for_each_family(number: int) -> None:
    kernel = Kernel(lambda kind, _: [error(number)] if kind == 18 else [about(1) + done()])
    source = SockDiag(kernel.connect)

    assert Reader().read(source)[State.ESTABLISHED] == 2
    assert kernel.asked[1:] == [(20, LISTEN), (20, LISTEN), (20, 0xFFE & ~LISTEN), (20, 0xFFE & ~LISTEN)]

    Reader().read(source)
    assert (18, LISTEN) not in kernel.asked[1:]


def test_a_kernel_that_refuses_both_is_no_source() -> None:
    with pytest.raises(SourceUnavailable, match="no dump of TCP sockets: the kernel refused the dump with error 2"):
        Reader().read(SockDiag(Kernel(lambda _, __: [error(errno.ENOENT)]).connect))


def test_where_there_is_no_netlink_there_is_no_source() -> None:
    def connect() -> socket.socket:
        raise SourceUnavailable("no netlink socket")

    with pytest.raises(SourceUnavailable):
        Reader().read(SockDiag(connect))


FAILURES: list[tuple[Kernel, type[ExporterError]]] = [
    (Kernel(but_listeners(error(errno.EBUSY))), KernelRefused),
    (Kernel(but_listeners(about(1)[:-4], done())), Truncated),
    (Kernel(but_listeners(about(1), message(b"odd!"), done())), Malformed),
    (Kernel(but_listeners(about(1), done(errno=errno.ENOMEM))), KernelRefused),
    (Kernel(but_listeners(about(77), done())), Malformed),
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
            Reader().read(source)
        assert kernel.opened == opened


def test_an_interrupted_dump_is_tried_once_more() -> None:
    dumps: list[Answer] = [[stream([message(about(8)[16:], flags=0x12)]), done()], [about(8), done()]]
    kernel = Kernel(lambda _, states: [done()] if states == LISTEN else dumps.pop(0))

    assert Reader().read(SockDiag(kernel.connect)) == {State.CLOSE_WAIT: 1}


def test_a_dump_that_is_interrupted_again_has_failed() -> None:
    interrupted = message(about(8)[16:], flags=0x12)

    with pytest.raises(Interrupted):
        Reader().read(SockDiag(Kernel(but_listeners(interrupted, done())).connect))


@pytest.mark.kernel
@pytest.mark.parametrize("family", FAMILIES)
def test_one_request_per_family_gives_what_the_legacy_request_gives(family: Family, pair: Pair) -> None:
    with close_wait_held(pair, family, 3) as held, held.place.entered():
        legacy, modern = SockDiag(), SockDiag()
        modern._families = (socket.AF_INET, socket.AF_INET6)

        assert Reader().read(legacy) == Reader().read(modern) == {State.CLOSE_WAIT: 3}
        legacy.close()
        modern.close()


@pytest.mark.kernel
def test_mixed_messages_of_the_real_kernel_are_taken_apart(pair: Pair) -> None:
    """Orphans in FIN_WAIT2 are described in short messages, between the long ones of other sockets."""
    with (
        fin_wait2_mini(pair, "4", 50) as orphans,
        established_client(pair, "6", 50),
        orphans.place.entered(),
    ):
        source = SockDiag()
        assert Reader().read(source) == {State.FIN_WAIT2: 50, State.ESTABLISHED: 50}
        source.close()
