"""The source that counts inside the kernel, beside sock_diag: the same of the same sockets."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from exporter.kernel.bpf.source import Bpf
from exporter.kernel.sock_diag import SockDiag
from exporter.tcp.states import State
from tests.kernel.bpf.told import Told, told
from tests.lab.netns import Namespace, Pair
from tests.lab.recipes import EVERY, Family, Recipe

pytestmark = pytest.mark.kernel

COUNT = 5


@pytest.fixture(scope="module")
def everywhere() -> Iterator[Bpf]:
    """Loaded once: it can be read from any namespace."""
    source = Bpf(everywhere=True)
    yield source
    source.close()


@pytest.fixture(scope="module")
def own() -> Iterator[Bpf]:
    source = Bpf(everywhere=False)
    yield source
    source.close()


def number(place: Namespace) -> int:
    return Path("/run/netns", place.name).stat().st_ino


def by_sock_diag(place: Namespace) -> Told:
    with place.entered(), closing(SockDiag()) as source:
        return told(source)


def by(source: Bpf, place: Namespace) -> Told:
    """From within."""
    with place.entered():
        return told(source)


TRIES = 100
Look = Callable[[], Told]


def undisturbed(expected: Look, looks: Sequence[Look]) -> tuple[Told, Sequence[Told]]:
    """What is *expected*, and what *looks* have seen while nothing moved: sockets may be sending, and answering."""
    for _ in range(TRIES):
        before, found, after = expected(), [look() for look in looks], expected()
        if before == after:
            return before, found
    raise AssertionError("sockets have not come to rest")


@pytest.mark.parametrize(("make", "family"), EVERY)
def test_what_is_told_of_our_own_namespace_and_of_another_is_what_sock_diag_tells_there(
    make: Recipe, family: Family, pair: Pair, everywhere: Bpf, own: Bpf
) -> None:
    with make(pair, family, COUNT) as scene:
        for place in (pair.a, pair.b):
            expected, found = undisturbed(
                partial(by_sock_diag, place),
                [partial(told, everywhere, number(place)), partial(by, own, place), partial(by, everywhere, place)],
            )

            assert found == [expected] * 3
            if place == scene.place:
                assert told_in(expected, scene.state) == scene.count


def told_in(found: Told, state: State) -> int:
    counted = sum(count for (one, _, _), count in found.sockets.items() if one is state)
    return counted + sum(one.state is state for one in found.watched) + len(found.listeners) * (state is State.LISTEN)
