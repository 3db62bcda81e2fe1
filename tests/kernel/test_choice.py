"""Which source is used, and what becomes of a sample whose source is disturbed, or turns out not to work here."""

import logging
import os
import resource
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import pytest

from exporter.count.census import Census
from exporter.errors import Interrupted, Malformed, ReadFailed, SourceUnavailable
from exporter.kernel import choice
from exporter.kernel.choice import EVERYWHERE, OURS, RETRY_SECONDS, FirstThatWorks, candidates
from exporter.kernel.procfs import Procfs
from exporter.kernel.sock_diag import SockDiag, connect
from exporter.kernel.source import Source
from exporter.sampling.clocks import Clocks
from exporter.sampling.sample import Sampling
from exporter.settings import config
from exporter.settings.config import Config
from exporter.tcp.columns import batches, unpacked
from exporter.tcp.reading import NOTHING_BESIDES, Asked, Batch, Reading
from exporter.tcp.sockets import Listener, Socket
from exporter.tcp.states import State
from tests.decode.messages import about, done
from tests.kernel.readings import take
from tests.kernel.test_sock_diag import INTERRUPTED, LISTEN, Answer, Kernel

ESTABLISHED = Socket(State.ESTABLISHED, 8080, 40000, bytes(32), cookie=1)
CLOSE_WAIT = ESTABLISHED._replace(state=State.CLOSE_WAIT, cookie=2, inode=7)
BLOCKED = SourceUnavailable("seccomp")
SWITCHED = "source sock_diag does not work here, using procfs: seccomp"

Act = Socket | Exception


class Script:
    """A source whose readings give sockets in turn until one gives an error; after the last there are no sockets."""

    opens = True

    def __init__(self, name: str, *readings: Sequence[Act]) -> None:
        self.name = name
        self._readings = iter(readings)
        self.silences: list[bool] = []
        """Whether they were asked for, by reading."""
        self.closed = False

    @contextmanager
    def reading(self, asked: Asked = NOTHING_BESIDES) -> Iterator[Reading]:
        self.silences.append(asked.silences)
        if not self.opens:
            raise BLOCKED
        yield Reading([Listener(8080, 0, 128)], _batches(next(self._readings, ())), unpacked)

    def close(self) -> None:
        self.closed = True


class Refusing(Script):
    """One that cannot even begin."""

    opens = False


def _batches(acts: Iterable[Act]) -> Iterator[Batch]:
    for act in acts:
        if isinstance(act, Exception):
            raise act
        yield from batches([act])


def giving(source: Source) -> Callable[[], Source]:
    return lambda: source


class Time:
    """A time that stands still until a test moves it."""

    now = 0.0


def sampling(*sources: Source, time: Time | None = None) -> Sampling:
    at = time or Time()
    clocks = Clocks(monotonic=lambda: at.now, wall=lambda: 0.0, cpu=lambda: 0.0)
    return Sampling(Config(), clocks, lambda *_: list(map(giving, sources)))


def totals(census: Census) -> dict[State, int]:
    """Sockets by state, without the zeros and the listening ones."""
    found = {state: census.total(state) for state in State if state is not State.LISTEN}
    return {state: number for state, number in found.items() if number}


def test_the_best_source_is_tried_first_unless_one_is_named() -> None:
    assert [make().name for make in candidates("auto")] == ["sock_diag", "procfs", "psutil"]


def test_the_best_source_of_all_namespaces_is_tried_first_there() -> None:
    assert candidates("auto", everywhere=True) == tuple(EVERYWHERE.values())
    assert [make().name for make in candidates("auto", everywhere=True)] == ["bpf", "sock_diag", "procfs", "psutil"]


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("name", OURS.keys() - {"bpf"})
def test_a_source_that_is_named_is_the_only_one(name: str, *, everywhere: bool) -> None:
    assert [make().name for make in candidates(name, everywhere)] == [name]


@pytest.mark.parametrize("everywhere", [False, True])
def test_where_bpf_that_is_named_cannot_be_the_others_are(*, everywhere: bool) -> None:
    assert candidates("bpf", everywhere) == tuple((EVERYWHERE if everywhere else OURS).values())


def test_the_configuration_can_name_every_source_there_is() -> None:
    assert set(config.SOURCES) == {"auto", *OURS} == {"auto", *EVERYWHERE}


def test_a_source_is_made_when_its_turn_comes() -> None:
    made: list[str] = []

    def making(name: str) -> Callable[[], Source]:
        return lambda: made.append(name) or Script(name)  # type: ignore[func-returns-value]

    chosen = FirstThatWorks([making("sock_diag"), making("procfs"), making("psutil")])
    assert made == ["sock_diag"]

    chosen.give_up(BLOCKED, 0.0)
    assert made == ["sock_diag", "procfs"]


def test_readings_are_of_the_source_in_use() -> None:
    first, second = Script("sock_diag", [ESTABLISHED]), Script("procfs", [CLOSE_WAIT])
    chosen = FirstThatWorks([giving(first), giving(second)])

    assert take(chosen.source, silences=True).counts == {State.LISTEN: 1, State.ESTABLISHED: 1}
    chosen.give_up(BLOCKED, 0.0)
    assert take(chosen.source).counts == {State.LISTEN: 1, State.CLOSE_WAIT: 1}
    assert (first.silences, second.silences) == ([True], [False])


def test_a_source_that_is_given_up_is_closed_and_it_is_said_why(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Script("sock_diag"), Script("procfs")
    chosen = FirstThatWorks([giving(first), giving(second)])

    chosen.give_up(BLOCKED, 0.0)

    assert chosen.source is second
    assert (first.closed, second.closed) == (True, False)
    assert caplog.messages == [SWITCHED]


def test_a_source_that_comes_and_goes_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """As with a reload a second while something else blocks and frees it."""
    chosen = FirstThatWorks([giving(Script("sock_diag")), giving(Script("procfs"))])
    with caplog.at_level(logging.INFO):
        for now in range(600):
            chosen.give_up(BLOCKED, float(now))
            chosen.go_back(0, Script("sock_diag"), float(now))

    assert said(caplog)[:2] == [SWITCHED, WORKS]
    assert len(said(caplog)) < 20


def test_the_last_source_is_never_given_up() -> None:
    only = Script("procfs")
    chosen = FirstThatWorks([giving(only)])

    with pytest.raises(SourceUnavailable, match="seccomp"):
        chosen.give_up(BLOCKED, 0.0)

    assert chosen.source is only
    assert not only.closed


def test_the_source_in_use_can_be_closed() -> None:
    only = Script("procfs")

    FirstThatWorks([giving(only)]).close()

    assert only.closed


def scripted(*dumps: Answer) -> tuple[Kernel, Sampling]:
    """A kernel that answers requests for all but listening sockets with these dumps, and samples of it."""
    left = list(dumps)
    kernel = Kernel(lambda _, states: [done()] if states == LISTEN else left.pop(0))
    return kernel, sampling(SockDiag(kernel.connect))


def test_an_interrupted_dump_is_tried_once_more() -> None:
    """The first reading takes two dumps; it is the second one here, and what the first has shown is not counted."""
    kernel, samples = scripted([about(8) + done()], [about(1), INTERRUPTED, done()], [about(8) + done()], [done()])

    assert totals(samples.take().census) == {State.CLOSE_WAIT: 1}
    assert kernel.opened == 2


def test_a_dump_that_is_interrupted_again_has_failed() -> None:
    kernel, samples = scripted([INTERRUPTED, done()], [INTERRUPTED, done()], [about(8) + done()], [done()])

    with pytest.raises(Interrupted):
        samples.take()

    assert totals(samples.take().census) == {State.CLOSE_WAIT: 1}
    assert kernel.opened == 3


def test_what_an_interrupted_attempt_has_shown_is_not_counted() -> None:
    source = Script("sock_diag", [ESTABLISHED, CLOSE_WAIT, Interrupted("changed")], [ESTABLISHED])

    census = sampling(source).take().census

    assert totals(census) == {State.ESTABLISHED: 1}
    assert census.stuck.tracked == 0
    assert source.silences == [True, True]


def test_a_blocked_source_is_followed_by_the_next_and_not_asked_for_each_sample(
    caplog: pytest.LogCaptureFixture,
) -> None:
    blocked, next_one = Refusing("sock_diag"), Script("procfs", [CLOSE_WAIT], [CLOSE_WAIT])
    samples = sampling(blocked, next_one)

    for _ in range(2):
        assert totals(samples.take().census) == {State.CLOSE_WAIT: 1}
        assert samples.source == "procfs"

    assert len(blocked.silences) == 1
    assert blocked.closed
    assert caplog.messages == [SWITCHED]


def test_what_a_source_has_shown_before_it_was_blocked_is_not_counted() -> None:
    blocked, next_one = Script("sock_diag", [ESTABLISHED, CLOSE_WAIT, BLOCKED]), Script("procfs", [ESTABLISHED])

    census = sampling(blocked, next_one).take().census

    assert totals(census) == {State.ESTABLISHED: 1}
    assert census.stuck.tracked == 0


def test_the_next_source_knows_no_socket_of_the_one_before() -> None:
    """Its keys are others, and so it is asked for ages as at first."""
    blocked, next_one = Script("sock_diag", [CLOSE_WAIT], [BLOCKED]), Script("procfs", [CLOSE_WAIT])
    samples = sampling(blocked, next_one)

    assert [samples.take().census.stuck.tracked for _ in range(2)] == [1, 1]
    assert (blocked.silences, next_one.silences) == ([True, False], [True])


def test_the_next_source_may_be_interrupted_too() -> None:
    disturbed = Script("procfs", [Interrupted("changed")], [CLOSE_WAIT])

    assert totals(sampling(Refusing("sock_diag"), disturbed).take().census) == {State.CLOSE_WAIT: 1}


def test_a_source_that_is_blocked_when_it_is_tried_once_more_is_followed_by_the_next() -> None:
    disturbed = Script("sock_diag", [Interrupted("changed")], [BLOCKED])

    assert totals(sampling(disturbed, Script("procfs", [CLOSE_WAIT])).take().census) == {State.CLOSE_WAIT: 1}


def test_where_no_source_works_the_sample_says_why_the_last_does_not() -> None:
    samples = sampling(Refusing("sock_diag"), Refusing("procfs"))

    for _ in range(2):
        with pytest.raises(SourceUnavailable, match="seccomp"):
            samples.take()
    assert samples.source == "procfs"


def test_a_source_that_fails_is_not_given_up_nor_asked_again_at_once() -> None:
    failing = Script("sock_diag", [Malformed("odd")], [CLOSE_WAIT])
    samples = sampling(failing, Script("procfs"))

    with pytest.raises(Malformed):
        samples.take()

    assert totals(samples.take().census) == {State.CLOSE_WAIT: 1}
    assert samples.source == "sock_diag"
    assert not failing.closed


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """About sources."""
    return [record.message for record in caplog.records if record.name == choice.__name__]


WORKS = "source sock_diag works, using it again in place of procfs"


def test_a_source_that_was_blocked_is_tried_anew_after_some_minutes_and_used_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = Time()
    mended, lesser = Script("sock_diag", [BLOCKED], [ESTABLISHED]), Script("procfs", [CLOSE_WAIT], [CLOSE_WAIT])
    samples = sampling(mended, lesser, time=time)
    with caplog.at_level(logging.INFO):
        samples.take()
        time.now += RETRY_SECONDS - 1
        assert totals(samples.take().census) == {State.CLOSE_WAIT: 1}

        time.now += 1
        assert totals(samples.take().census) == {State.ESTABLISHED: 1}

    assert samples.source == "sock_diag"
    assert lesser.closed
    assert said(caplog) == [SWITCHED, WORKS]


@pytest.mark.parametrize("hindrance", [BLOCKED, Malformed("odd"), Interrupted("changed"), ReadFailed("none left")])
def test_a_try_in_vain_spoils_neither_the_sample_nor_the_ages_of_the_source_in_use(
    hindrance: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    time = Time()
    tried, lesser = Script("sock_diag", [BLOCKED], [ESTABLISHED, hindrance]), Script("procfs", *[[CLOSE_WAIT]] * 2)
    samples = sampling(tried, lesser, time=time)
    samples.take()
    time.now += RETRY_SECONDS

    census = samples.take().census

    assert len(tried.silences) == 2
    assert totals(census) == {State.CLOSE_WAIT: 1}
    [age] = [states[State.CLOSE_WAIT].oldest_age for row, states in census.stuck.watched.items() if row.port == "8080"]
    assert age == RETRY_SECONDS
    assert samples.source == "procfs"
    assert said(caplog) == [SWITCHED]


def test_after_a_try_in_vain_the_next_is_some_minutes_later() -> None:
    time = Time()
    blocked = Refusing("sock_diag")
    samples = sampling(blocked, Script("procfs"), time=time)
    for _ in range(100):
        samples.take()
        time.now += RETRY_SECONDS / 10

    assert len(blocked.silences) == 10


def test_the_best_source_that_works_by_now_is_used() -> None:
    time = Time()
    still, mended = Refusing("sock_diag"), Script("procfs", [BLOCKED], [CLOSE_WAIT])
    samples = sampling(still, mended, Script("psutil"), time=time)
    samples.take()
    assert samples.source == "psutil"
    time.now += RETRY_SECONDS

    assert totals(samples.take().census) == {State.CLOSE_WAIT: 1}
    assert samples.source == "procfs"


def test_a_reload_has_the_better_source_tried_at_once() -> None:
    samples = sampling(Script("sock_diag", [BLOCKED]), Script("procfs"))
    samples.take()
    samples.follow(Config(interval=60.0))

    samples.take()

    assert samples.source == "sock_diag"


def test_where_no_source_works_all_are_tried_with_each_sample() -> None:
    mended = Script("sock_diag", [BLOCKED], [CLOSE_WAIT])
    samples = sampling(mended, Refusing("procfs"))
    with pytest.raises(SourceUnavailable):
        samples.take()

    assert totals(samples.take().census) == {State.CLOSE_WAIT: 1}


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """For this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as taken:
        taken.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        with suppress(OSError):
            while True:
                taken.callback(os.close, os.dup(0))
        yield


@pytest.mark.parametrize("source", ["auto", "sock_diag"])
def test_a_real_source_for_which_there_is_no_descriptor_left_has_failed_and_is_not_given_up(source: str) -> None:
    samples = Sampling(Config(source=source))
    with no_descriptor_left(), pytest.raises(ReadFailed, match=r"no netlink socket: .*Too many open files"):
        samples.take()

    samples.take()
    assert samples.source == "sock_diag"
    samples.close()


def test_the_real_kernel_is_asked_through_netlink_again_once_a_sandbox_allows_it() -> None:
    time = Time()
    allowed: list[bool] = []

    def open_netlink() -> socket.socket:
        if not allowed:
            raise SourceUnavailable("no netlink socket")
        return connect()

    clocks = Clocks(monotonic=lambda: time.now)
    samples = Sampling(Config(), clocks, lambda *_: [lambda: SockDiag(open_netlink), Procfs])
    samples.take()
    assert samples.source == "procfs"
    allowed.append(True)
    time.now += RETRY_SECONDS

    samples.take()

    assert samples.source == "sock_diag"
    samples.close()


def test_a_real_source_that_is_open_goes_on_where_there_is_no_descriptor_left() -> None:
    """What is asked beside the sockets is left out."""
    samples = Sampling(Config())
    samples.take()

    with no_descriptor_left():
        limits = samples.take().census.own.limits

    assert "listen_drops" not in limits.values
    assert "listen_drops" in samples.take().census.own.limits.values
    samples.close()
