from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from exporter.count.census import Census
from exporter.show import by_port
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from tests.show import samples


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


def test_a_row_has_the_states_that_the_census_has() -> None:
    found = text(replace(samples.census(), sockets={samples.HTTPS: {State.LISTEN: 2}}))

    assert [line for line in found.splitlines() if line.startswith("tcpstate_sockets")] == [
        'tcpstate_sockets{port="443",role="server",state="listen"} 2'
    ]


def test_a_namespace_other_than_the_own_is_a_label_whatever_its_name() -> None:
    hostile = 'a"\n\\} 1\nevil 2'
    row = Row(hostile, "server", "443")
    [family, *_] = text_string_to_metric_families(text(replace(samples.census(), sockets={row: {State.LISTEN: 2}})))

    assert [(one.labels, one.value) for one in family.samples] == [
        ({"netns": hostile, "port": "443", "role": "server", "state": "listen"}, 2)
    ]
