from dataclasses import replace

from exporter.show.rows import absent, present, rows
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from tests.show import samples


def test_servers_come_first_the_busiest_of_them_at_the_top_and_the_rest_below() -> None:
    assert [(row.role, row.port) for row in rows(samples.census())] == [
        ("server", "443"),
        ("server", "8080"),
        ("client", "5432"),
        ("client", "other"),
    ]


def test_the_own_namespace_comes_first() -> None:
    sockets = {Row("pod", "server", "80"): samples.counts(established=9), **samples.census().sockets}

    assert rows(replace(samples.census(), sockets=sockets))[-1] == Row("pod", "server", "80")


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
