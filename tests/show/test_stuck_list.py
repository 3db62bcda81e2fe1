import json

import pytest

from exporter.show import stuck_list
from exporter.show.stuck_list import Query
from exporter.tcp.states import State
from tests.show import samples


def test_a_socket_is_an_object_with_all_that_is_known() -> None:
    found = json.loads(stuck_list.render(samples.sample(), Query()))

    assert (found["timestamp"], found["stuck"]) == (1_700_000_000.0, 280)
    assert found["sockets"] == [
        {
            "state": "fin_wait2",
            "role": "server",
            "port": 443,
            "local": "192.0.2.1:443",
            "remote": "198.51.100.7:50000",
            "age_seconds": 10800.5,
            "ends_by": "nothing",
            "waits_for": None,
            "receive_queue": 0,
            "send_queue": 0,
            "cgroup": "/system.slice/nginx.service",
            "pid": 4711,
            "process": "nginx",
        }
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(state=State.FIN_WAIT2), 1),
        (Query(state=State.CLOSE_WAIT), 0),
        (Query(port=443), 1),
        (Query(port=80), 0),
    ],
)
def test_others_are_left_out(query: Query, found: int) -> None:
    assert len(json.loads(stuck_list.render(samples.sample(), query))["sockets"]) == found
