from dataclasses import replace

from exporter.count.census import Census
from exporter.count.stuck import WatchedCount
from exporter.show.rows import FOREIGN, Idle, absent, idle, left_out, present, rows, stuck_sockets
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from tests.show import nodes, samples

POSTGRES = samples.row("client", "5432")


def with_stuck(*rows_: Row) -> Census:
    """The more of them the later in the list."""
    census = samples.census()
    leaks = {row: samples.watched(close_wait=WatchedCount(number)) for number, row in enumerate(rows_, start=1)}
    return replace(census, stuck=replace(census.stuck, watched=leaks))


def test_what_is_stuck_comes_first_then_what_is_busy_and_the_rest_below() -> None:
    assert [(row.role, row.port) for row in rows(with_stuck(POSTGRES))] == [
        ("client", "5432"),
        ("server", "443"),
        ("client", "other"),
    ]


def test_who_has_most_stuck_sockets_comes_first_also_if_it_has_no_label() -> None:
    other = samples.row("client", "other")

    assert list(rows(with_stuck(POSTGRES, other))) == [other, POSTGRES, samples.HTTPS]


def test_the_own_namespace_comes_first() -> None:
    sockets = {Row("pod", "server", "80"): samples.counts(established=9), **samples.census().sockets}

    assert rows(replace(samples.census(), sockets=sockets))[-1] == Row("pod", "server", "80")


def test_the_stuck_sockets_of_a_row_are_those_of_all_states() -> None:
    census = samples.census()
    both = samples.watched(close_wait=WatchedCount(3), last_ack=WatchedCount(2))

    found = replace(census, stuck=replace(census.stuck, watched={samples.HTTPS: both}))

    assert (stuck_sockets(found, samples.HTTPS), stuck_sockets(found, POSTGRES)) == (5, 0)


def test_a_port_that_only_listens_has_no_row_but_is_counted() -> None:
    census = samples.census()

    assert samples.row("server", "8080") not in rows(census)
    assert idle(census) == Idle(1, ["8080"])


def test_idle_ports_without_a_label_are_counted_as_long_as_all_of_them_are() -> None:
    census = samples.census()
    other = samples.row("server", "other")
    quiet = replace(
        census,
        sockets={other: samples.counts(listen=50)},
        own=replace(census.own, folded_ports={"server": 48, "client": 0}),
    )
    busy = replace(quiet, sockets={other: samples.counts(listen=50, established=1)})

    assert (idle(quiet), list(rows(quiet))) == (Idle(48, []), [])
    assert (idle(busy), list(rows(busy))) == (Idle(0, []), [other])


def test_a_state_is_shown_or_said_to_be_absent() -> None:
    census = samples.census()

    assert present(census) == [
        State.ESTABLISHED,
        State.FIN_WAIT2,
        State.TIME_WAIT,
        State.CLOSE_WAIT,
        State.LISTEN,
    ]
    assert sorted([*present(census), *absent(census)]) == list(State)


def many_pods(number: int) -> Census:
    """Each with a busy port, the later the busier."""
    census = samples.census()
    pods = {Row(f"pod-{place}", "server", "80"): samples.counts(established=place) for place in range(1, number + 1)}
    return replace(census, sockets={**census.sockets, **pods})


def test_of_other_namespaces_the_busiest_are_shown_and_of_ours_all() -> None:
    census = many_pods(FOREIGN + 2)
    found = list(rows(census))

    assert found[:3] == list(rows(samples.census()))
    assert [row.netns for row in found[3:]] == [f"pod-{place}" for place in range(FOREIGN + 2, 2, -1)]
    assert left_out(census) == [Row("pod-1", "server", "80"), Row("pod-2", "server", "80")]
    assert left_out(samples.census()) == []


def test_what_is_stuck_in_another_namespace_is_never_left_out_for_what_is_busy() -> None:
    census, quiet = many_pods(FOREIGN + 2), Row("pod-1", "server", "80")
    watched = {quiet: samples.watched(close_wait=WatchedCount(1))}

    assert rows(replace(census, stuck=replace(census.stuck, watched=watched)))[0] == quiet


def test_idle_ports_of_other_namespaces_are_counted_and_not_named() -> None:
    assert idle(nodes.census()) == Idle(3, ["8080"])
