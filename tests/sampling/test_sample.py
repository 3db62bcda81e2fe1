"""How one sample comes about, whatever its source does; source and time are scripts."""

from itertools import chain, repeat

import pytest

from exporter.errors import Interrupted, Malformed, SourceUnavailable
from exporter.kernel.owners import OwnerSearch
from exporter.sampling.clocks import Clocks
from exporter.sampling.sample import Sampling
from exporter.settings.config import Config
from exporter.tcp.holders import HolderClue, Process
from exporter.tcp.states import State
from tests.sampling.scripts import CLOSE_WAIT, Script, Sources, Time


def sampling(*sources: Script, time: Time | None = None) -> Sampling:
    return Sampling(Config(), (time or Time()).clocks(), Sources(*sources))


def test_a_sample_is_a_census_with_its_time() -> None:
    sample = sampling(Script("sock_diag", sockets=[CLOSE_WAIT])).take()

    assert (sample.census.total(State.LISTEN), sample.census.total(State.CLOSE_WAIT)) == (1, 1)
    assert (sample.at, sample.now, sample.seconds) == (1000.0 + 1e9, 1000.0, 0.0)


def test_an_interrupted_reading_is_tried_once_more_and_nothing_is_counted_twice() -> None:
    found = sampling(Script("sock_diag", [Interrupted("again")], [CLOSE_WAIT]))

    census = found.take().census

    assert (census.total(State.CLOSE_WAIT), census.stuck.tracked) == (1, 1)


def test_a_reading_that_is_interrupted_again_has_failed() -> None:
    with pytest.raises(Interrupted):
        sampling(Script("sock_diag", [Interrupted("one"), Interrupted("two")])).take()


def test_a_source_that_does_not_work_is_followed_by_the_next_and_nothing_is_counted_twice() -> None:
    blocked = Script("sock_diag", [SourceUnavailable("seccomp")], [CLOSE_WAIT])
    found = sampling(blocked, Script("procfs", sockets=[CLOSE_WAIT]))

    census = found.take().census

    assert found.source == "procfs"
    assert blocked.closed
    assert (census.total(State.CLOSE_WAIT), census.stuck.tracked) == (1, 1)


def test_where_no_source_works_there_is_no_sample() -> None:
    with pytest.raises(SourceUnavailable, match="no file"):
        sampling(
            Script("sock_diag", [SourceUnavailable("seccomp")]), Script("procfs", [SourceUnavailable("no file")])
        ).take()


def test_a_reading_that_fails_half_way_loses_no_age() -> None:
    time = Time()
    found = sampling(Script("sock_diag", [None, Malformed("odd")], [CLOSE_WAIT]), time=time)
    found.take()
    time.now += 5
    with pytest.raises(Malformed):
        found.take()
    time.now += 5

    census = found.take().census

    [row] = [states[State.CLOSE_WAIT] for row, states in census.stuck.watched.items() if row.port == "8080"]
    assert row.oldest_age == 10.0


def test_silence_is_asked_for_in_the_first_sample_and_after_a_gap() -> None:
    source, time = Script("sock_diag"), Time()
    found = sampling(source, time=time)
    for now in (0.0, 5.0, 500.0):
        time.now = now
        found.take()

    assert source.silences == [True, False, True]


def test_the_source_that_follows_another_asks_for_silence_anew() -> None:
    follower = Script("procfs")
    found = sampling(Script("sock_diag", [None, SourceUnavailable("gone")]), follower)
    found.take()

    found.take()

    assert follower.silences == [True]


def test_the_search_for_owners_gets_what_the_reading_leaves_and_a_quarter_at_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[float] = []

    def go_on(_: OwnerSearch, seconds: float) -> dict[HolderClue, Process]:
        given.append(seconds)
        return {}

    monkeypatch.setattr(OwnerSearch, "go_on", go_on)
    for spent in (0.1, 3.0):
        clocks = Clocks(lambda: 0.0, lambda: 0.0, chain([0.0], repeat(spent)).__next__)
        Sampling(Config(), clocks, Sources(Script("sock_diag"))).take(1.0)

    assert given == [pytest.approx(0.9), pytest.approx(0.25)]
