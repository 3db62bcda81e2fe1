import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import stuck_query
from exporter.stuck_query import BadQueryError, Query
from tests import samples


def test_without_parameters_the_hundred_oldest_are_wanted() -> None:
    assert stuck_query.parse({}) == Query(state=None, port=None, limit=100)


def test_each_parameter_narrows() -> None:
    parameters = {"state": ["close_wait"], "port": ["8080"], "limit": ["1000"]}

    assert stuck_query.parse(parameters) == Query("close_wait", 8080, 1000)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"state": ["time_wait"]}, "state: expected one of syn_sent, .*, found 'time_wait'"),
        ({"port": ["http"]}, "port: expected a number from 1 to 65535, found 'http'"),
        ({"port": ["65536"]}, "port: expected a number from 1 to 65535"),
        ({"limit": ["0"]}, "limit: expected a number from 1 to 1000, found '0'"),
        ({"limit": ["1001"]}, "limit: expected a number from 1 to 1000"),
        ({"limit": ["-5"]}, "limit: expected a number from 1 to 1000"),
        ({"limit": [""]}, "limit: expected a number from 1 to 1000, found ''"),
        ({"limit": ["1", "2"]}, "limit: expected once, found 2 times"),
        ({"sate": ["close_wait"]}, "unknown parameter 'sate', expected state, port, limit"),
    ],
)
def test_a_bad_parameter_is_named_with_what_was_expected(parameters: dict[str, list[str]], message: str) -> None:
    with pytest.raises(BadQueryError, match=message):
        stuck_query.parse(parameters)


@given(st.dictionaries(st.sampled_from(["state", "port", "limit"]), st.lists(st.text(), min_size=1)))
def test_any_parameters_give_a_query_or_a_bad_one(parameters: dict[str, list[str]]) -> None:
    try:
        found = stuck_query.parse(parameters)
    except BadQueryError:
        return
    assert 1 <= found.limit <= 1000


def test_a_socket_is_an_object_with_all_that_is_known() -> None:
    found = json.loads(stuck_query.render(samples.taken(), Query()))

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
    [(Query(state="fin_wait2"), 1), (Query(state="close_wait"), 0), (Query(port=443), 1), (Query(port=80), 0)],
)
def test_others_are_left_out(query: Query, found: int) -> None:
    assert len(json.loads(stuck_query.render(samples.taken(), query))["sockets"]) == found
