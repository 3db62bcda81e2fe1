"""What is counted inside the kernel is compared with sock_diag, and is not believed if it differs."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from exporter.errors import SourceUnavailable, TimedOut
from exporter.kernel.bpf.proof import TRIES, Seen, difference, proved, seen
from exporter.kernel.bpf.source import PROOF_SECONDS, Bpf
from exporter.kernel.sock_diag import SockDiag
from exporter.kernel.source import Source
from exporter.tcp.reading import NOTHING_BESIDES, Asked, Reading
from exporter.tcp.states import State, Timer
from tests.lab import recipes
from tests.lab.netns import Namespace, Pair

ESTABLISHED, CLOSE_WAIT = State.ESTABLISHED, State.CLOSE_WAIT


def shown(apart: Mapping[object, object] | None = None, **sockets: int) -> Seen:
    return Seen(Counter({State[name.upper()]: number for name, number in sockets.items()}), apart or {})


def same(number: int, what: object = "idle") -> dict[object, object]:
    return dict.fromkeys(range(number), what)


@pytest.mark.parametrize(
    ("before", "found", "after"),
    [
        (shown(), shown(), shown()),
        (shown(established=3), shown(established=3), shown(established=3)),
        (shown(established=300), shown(established=305), shown(established=310)),
        (shown(established=300), shown(established=270), shown(established=310)),
        (shown(time_wait=30_000), shown(time_wait=30_500), shown(time_wait=30_001)),
        (shown(same(7)), shown(same(7)), shown(same(7))),
        (shown(same(7)), shown(same(7, "moving")), shown(same(7, "moved"))),
        (shown(same(200)), shown(same(197)), shown(same(200))),
    ],
)
def test_what_has_changed_meanwhile_is_no_difference(before: Seen, found: Seen, after: Seen) -> None:
    assert difference(before, found, after) == ""


@pytest.mark.parametrize(
    ("before", "found", "after", "told"),
    [
        (shown(listen=3), shown(listen=2), shown(listen=3), "2 sockets in listen, where it tells 3"),
        (shown(established=3), shown(established=4), shown(established=3), "4 sockets in established"),
        (shown(established=250_000), shown(established=249_999), shown(established=250_000), "249999 sockets in"),
        (
            shown(established=300),
            shown(established=200),
            shown(established=310),
            "200 sockets in established, where it tells 300 to 310",
        ),
        (shown(close_wait=1), shown(last_ack=1), shown(close_wait=1), "0 sockets in close_wait, where it tells 1"),
        (shown(same(7)), shown(same(6)), shown(same(7)), "None of 6, where it tells idle"),
        (shown(same(7)), shown(same(7, "keepalive")), shown(same(7)), "keepalive of 0, where it tells idle"),
        (shown(same(200)), shown(same(190)), shown(same(200)), "None of 190, where it tells idle"),
    ],
)
def test_all_else_is_a_difference_and_is_told(before: Seen, found: Seen, after: Seen, told: str) -> None:
    assert told in difference(before, found, after)


def test_one_that_is_not_there_each_time_is_chance() -> None:
    looks = iter([shown(established=2), shown(established=2), shown(established=3)])

    assert proved(lambda _: shown(established=3), lambda _: next(looks)) == ""
    assert list(looks) == []


def test_one_that_is_there_each_time_is_none() -> None:
    asked = []

    def look(chosen: object) -> Seen:
        asked.append(chosen)
        return shown(established=2)

    assert proved(lambda _: shown(same(3), established=3), look) == "2 sockets in established, where it tells 3"
    assert asked == [same(3)] * TRIES


class Lying(SockDiag):
    """Tells the sockets rightly, but for what *change* makes of the reading."""

    def __init__(self, change: Callable[[Reading], Reading]) -> None:
        super().__init__()
        self._change = change

    @contextmanager
    def reading(self, asked: Asked = NOTHING_BESIDES) -> Iterator[Reading]:
        with super().reading(asked) as reading:
            yield self._change(reading)


def without_listeners(reading: Reading) -> Reading:
    return replace(reading, listeners=[])


def without_counted(reading: Reading) -> Reading:
    return replace(reading, batches=iter([batch for batch in reading.batches if not hasattr(batch, "sockets")]))


def with_keepalive(reading: Reading) -> Reading:
    return replace(reading, socket=lambda key: reading.socket(key)._replace(timer=Timer.KEEPALIVE))


def with_another_inode(reading: Reading) -> Reading:
    return replace(reading, socket=lambda key: reading.socket(key)._replace(inode=1))


LIES: Sequence[tuple[Callable[[Reading], Reading], str]] = [
    (without_listeners, "1 sockets in listen, where it tells 0"),
    (without_counted, "5 sockets in established, where it tells 0"),
    (with_keepalive, "where it tells"),
    (with_another_inode, "where it tells"),
]


@pytest.fixture
def busy(pair: Pair) -> Iterator[Namespace]:
    """With one that listens, five established and five watched sockets."""
    with recipes.close_wait_held(pair, "4", 5), recipes.established_unaccepted(pair, "6", 5):
        yield pair.b


@pytest.mark.kernel
def test_what_agrees_is_believed_and_looked_at_again_after_an_hour(busy: Namespace) -> None:
    witnesses: list[SockDiag] = []

    def witness() -> Source:
        witnesses.append(SockDiag())
        return witnesses[-1]

    source = Bpf(everywhere=True, witness=witness)
    with busy.entered():
        for now in (100.0, 105.0, 99.0 + PROOF_SECONDS):
            with source.reading(Asked(now=now)) as reading:
                assert seen(reading).sockets[State.LISTEN] >= 1
        assert len(witnesses) == 1
        with source.reading(Asked(now=100.0 + PROOF_SECONDS)):
            assert len(witnesses) == 2
    source.close()


@pytest.mark.kernel
@pytest.mark.parametrize(("lie", "told"), LIES)
def test_what_differs_is_not_believed_now_nor_later(
    lie: Callable[[Reading], Reading], told: str, busy: Namespace
) -> None:
    """That it is sock_diag that lies here makes no difference."""
    source = Bpf(everywhere=True, witness=lambda: Lying(lie))
    with busy.entered():
        with pytest.raises(SourceUnavailable, match=told), source.reading(Asked(now=100.0)):
            pass
        source._witness = SockDiag
        for now in (105.0, 100.0 + 2 * PROOF_SECONDS):
            with pytest.raises(SourceUnavailable, match=told), source.reading(Asked(now=now)):
                pass
    source.close()


class Failing(SockDiag):
    """Fails by turns, with each of these *errors*, and works then."""

    errors: Sequence[Exception] = ()

    @contextmanager
    def reading(self, asked: Asked = NOTHING_BESIDES) -> Iterator[Reading]:
        if Failing.errors:
            error, *Failing.errors = Failing.errors
            raise error
        with super().reading(asked) as reading:
            yield reading


@pytest.mark.kernel
@pytest.mark.parametrize("error", [TimedOut("slow"), SourceUnavailable("no netlink socket")])
def test_a_comparison_that_cannot_be_made_proves_nothing_and_is_made_with_the_next_reading(
    error: Exception, busy: Namespace
) -> None:
    Failing.errors = [error]
    source = Bpf(everywhere=True, witness=Failing)
    with busy.entered():
        with pytest.raises(type(error)), source.reading(Asked(now=100.0)):
            pass
        with source.reading(Asked(now=105.0)) as reading:
            assert seen(reading).sockets[ESTABLISHED] >= 5
    source.close()


@pytest.mark.kernel
def test_ports_of_the_kernels_choice_are_where_they_are_looked_for(
    busy: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.kernel.bpf.source.ephemeral", lambda: range(1, 2))
    source = Bpf(everywhere=False)

    with (
        busy.entered(),
        pytest.raises(SourceUnavailable, match=r"local ports .*, where /proc/sys tells range\(1, 2\)"),
        source.reading(),
    ):
        pass
    source.close()
