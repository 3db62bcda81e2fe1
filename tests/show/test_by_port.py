from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from exporter.count.census import Census
from exporter.count.stuck import Stuck
from exporter.show import by_port
from exporter.tcp.sockets import Row
from exporter.tcp.states import WATCHED, State
from tests.show import nodes, samples


def text(census: Census) -> str:
    return "".join(by_port.families(census))


def stuck(**changed: object) -> Census:
    """A census that differs from the sample's in what is known of stuck sockets."""
    census = samples.census()
    return replace(census, stuck=replace(census.stuck, **changed))  # type: ignore[arg-type]


def test_a_source_that_does_not_tell_how_sockets_end_has_no_such_family() -> None:
    found = text(stuck(tells_verdicts=False))

    assert "tcpstate_fin_wait2_sockets" not in found
    assert "tcpstate_close_wait_sockets" not in found
    assert 'tcpstate_stuck_sockets{port="443",role="server",state="fin_wait2"} 280\n' in found


def test_a_state_without_a_threshold_has_no_stuck_sockets_but_an_age() -> None:
    found = text(stuck(after={State.CLOSE_WAIT: 60.0}))

    assert 'tcpstate_stuck_sockets{port="443",role="server",state="close_wait"} 0\n' in found
    assert 'tcpstate_stuck_sockets{port="443",role="server",state="fin_wait2"}' not in found
    assert 'tcpstate_oldest_socket_age_seconds{port="443",role="server",state="fin_wait2"} 10800.5\n' in found


def series(census: Census, name: str, row: Row) -> list[str]:
    """Of one family and row, what comes after the labels of the row."""
    start = f'tcpstate_{name}{{port="{row.port}",role="{row.role}",'
    return [line.removeprefix(start) for line in text(census).splitlines() if line.startswith(start)]


def test_a_row_has_series_of_the_states_that_it_is_shown_with() -> None:
    census = samples.census()

    assert series(census, "sockets", samples.HTTPS) == [
        'state="established"} 1200',
        'state="fin_wait2"} 289',
        'state="time_wait"} 4000',
        'state="close_wait"} 0',
        'state="listen"} 2',
    ]
    assert series(census, "stuck_sockets", samples.HTTPS) == ['state="fin_wait2"} 280', 'state="close_wait"} 0']
    assert series(census, "oldest_socket_age_seconds", samples.HTTPS) == [
        'state="fin_wait2"} 10800.5',
        'state="close_wait"} 0.0',
    ]


def test_how_sockets_end_is_told_in_all_words_or_none() -> None:
    """A sum over words is whole for as long as the row is shown with the state, and then there is none."""
    census, idle = samples.census(), samples.row("server", "8080")

    assert series(census, "fin_wait2_sockets", samples.HTTPS) == [
        'ends_by="fin_timeout"} 6',
        'ends_by="keepalive"} 0',
        'ends_by="transfer"} 0',
        'ends_by="nothing"} 283',
    ]
    assert [line.split()[-1] for line in series(census, "close_wait_sockets", samples.HTTPS)] == ["0"] * 4
    assert series(census, "fin_wait2_sockets", idle) == []
    assert series(census, "close_wait_sockets", idle) == []


def test_other_has_all_of_every_family() -> None:
    other = samples.row("server", "other")
    numbers = {
        "sockets": len(State),
        "stuck_sockets": len(WATCHED),
        "oldest_socket_age_seconds": len(WATCHED),
        "fin_wait2_sockets": 4,
        "close_wait_sockets": 4,
    }

    assert {name: len(series(samples.census(), name, other)) for name in numbers} == numbers


def test_a_namespace_other_than_the_own_is_a_label_whatever_its_name() -> None:
    hostile = 'a"\n\\} 1\nevil 2'
    row = Row(hostile, "server", "443")
    census = replace(samples.census(), sockets={row: {State.LISTEN: 2}}, shown={row: {State.LISTEN}}, stuck=Stuck())
    [family] = text_string_to_metric_families(text(census))

    assert [(one.labels, one.value) for one in family.samples] == [
        ({"netns": hostile, "port": "443", "role": "server", "state": "listen"}, 2)
    ]


def test_in_other_namespaces_only_words_that_are_needed_are_told() -> None:
    quiet = Row("shop/web", "server", "80")
    census = nodes.census()
    shown, watched = {**census.shown, quiet: set(State)}, {**census.stuck.watched, quiet: samples.watched()}
    found = text(replace(census, shown=shown, stuck=replace(census.stuck, watched=watched)))
    words = [line for line in found.splitlines() if "_wait_sockets{netns=" in line or "_wait2_sockets{netns=" in line]

    assert words == [
        f'tcpstate_close_wait_sockets{{netns="{nodes.POD.name}",port="8080",role="server",waits_for="close"}} 5',
        'tcpstate_close_wait_sockets{netns="other",port="other",role="server",waits_for="close"} 1',
    ]
