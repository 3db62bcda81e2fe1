import pytest

from exporter.count.stuck import WatchedCount
from exporter.show.rows import Idle
from exporter.show.words import (
    brief_endings,
    ending,
    endings,
    foreign_rows,
    idle_listeners,
    owner_name,
    shortened,
    sockets_at,
)
from exporter.tcp.holders import Owner
from exporter.tcp.sockets import Row
from exporter.tcp.verdicts import CLOSE, KEEPALIVE, MOVING, NOTHING, READ, VERDICTS, Verdict
from tests.show import samples


@pytest.mark.parametrize("verdict", [verdict for verdicts in VERDICTS.values() for verdict in verdicts])
def test_every_verdict_of_a_stuck_socket_has_words(verdict: Verdict) -> None:
    is_never_stuck = verdict.ends_by_itself or verdict in MOVING.values()

    assert bool(ending(verdict)) is not is_never_stuck
    assert bool(endings(WatchedCount(1, 150, stuck_verdicts={verdict: 1}))) is not is_never_stuck
    assert bool(brief_endings(samples.holding()._replace(verdicts={verdict: 1}))) is not is_never_stuck


def test_what_is_not_known_is_not_said() -> None:
    assert ending(None) == ""
    assert endings(WatchedCount(1, 150)) == ""
    assert brief_endings(samples.holding()._replace(verdicts={})) == ""


def test_sockets_that_are_not_stuck_yet_are_not_told_among_those_that_are() -> None:
    assert endings(WatchedCount(803, 150, {NOTHING: 922}, {NOTHING: 803})) == "and nothing will end them"


@pytest.mark.parametrize(
    ("sockets", "verdicts", "words"),
    [
        (3, {NOTHING: 3}, "nothing ends them"),
        (1, {NOTHING: 1}, "nothing ends it"),
        (3, {NOTHING: 2, KEEPALIVE: 1}, "2 nothing ends, 1 if the peer is dead"),
        (1200, {READ: 100, CLOSE: 1100}, "1,100 not closed, 100 not read"),
        (3, {CLOSE: 2}, "2 not closed"),
    ],
)
def test_how_the_sockets_of_a_holder_end_is_a_few_words(sockets: int, verdicts: dict[Verdict, int], words: str) -> None:
    assert brief_endings(samples.holding()._replace(sockets=sockets, verdicts=verdicts)) == words


@pytest.mark.parametrize(
    ("idle", "words"),
    [
        (Idle(148, [str(port) for port in range(148)]), "and 148 listening ports without connections"),
        (Idle(2, ["80", "443"]), "and 2 listening ports without connections: 80, 443"),
        (Idle(1, ["80"]), "and 1 listening port without connections: 80"),
        (Idle(3, ["80", "443"]), "and 3 listening ports without connections"),
        (Idle(0, []), ""),
    ],
)
def test_idle_listeners_are_a_number_and_a_few_of_them_names(idle: Idle, words: str) -> None:
    assert idle_listeners(idle) == words


def test_a_name_cannot_write_to_the_terminal() -> None:
    assert owner_name(Owner("/a/\x1b[2J", "\x07\n")) == "?[2J (??)"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (samples.row("server", "8080"), "2 sockets on port 8080 are"),
        (samples.row("server", "other"), "2 sockets on other ports are"),
        (samples.row("client", "5432"), "2 sockets to port 5432 are"),
        (Row("shop/web", "server", "8080"), "2 sockets on port 8080 of shop/web are"),
        (Row("shop/web", "server", "other"), "2 sockets on other ports of shop/web are"),
        (Row("shop/web", "client", "5432"), "2 sockets of shop/web to port 5432 are"),
        (Row("other", "server", "other"), "2 sockets on ports of other network namespaces are"),
        (Row("other", "client", "other"), "2 sockets of other network namespaces to any port are"),
        (Row("\x1b[2J", "server", "80"), "2 sockets on port 80 of ?[2J are"),
    ],
)
def test_where_sockets_are_is_told_with_the_namespace_unless_it_is_ours(row: Row, words: str) -> None:
    assert sockets_at(2, row) == words


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], ""),
        ([Row("a", "server", "80")], "and 1 port of 1 other network namespace with connections"),
        (
            [Row("a", "server", "80"), Row("a", "client", "80"), Row("b", "server", "80")],
            "and 3 ports of 2 other network namespaces with connections",
        ),
    ],
)
def test_rows_that_are_too_many_are_a_number(rows: list[Row], words: str) -> None:
    assert foreign_rows(rows) == words


def test_a_name_that_is_too_long_for_a_column_keeps_both_ends() -> None:
    assert shortened("shop/web-7d9f8b6c5d-x2k4q") == "shop/web-7d9…b6c5d-x2k4q"
    assert shortened("shop/web-0") == "shop/web-0"
    assert len(shortened("x" * 320)) == 24
