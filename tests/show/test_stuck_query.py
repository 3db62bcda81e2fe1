import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.show import stuck_query
from exporter.show.stuck_list import Query
from exporter.show.stuck_query import BadQueryError
from exporter.tcp.naming import LONGEST
from exporter.tcp.states import State


def test_without_parameters_the_hundred_oldest_are_wanted() -> None:
    assert stuck_query.parse({}) == Query(state=None, port=None, limit=100)


def test_each_parameter_narrows() -> None:
    parameters = {"state": ["close_wait"], "port": ["8080"], "limit": ["1000"]}

    assert stuck_query.parse(parameters) == Query(State.CLOSE_WAIT, 8080, 1000)


def test_who_holds_them_is_asked_for_by_a_group() -> None:
    assert stuck_query.parse({"group": ["holder"], "port": ["8080"]}) == Query(port=8080, group="holder")


@pytest.mark.parametrize("name", ["shop/web-0", "lab 4026532001", "other", "x" * LONGEST, ""])
def test_a_namespace_is_asked_for_by_its_name_and_ours_by_none(name: str) -> None:
    assert stuck_query.parse({"netns": [name]}) == Query(netns=name)


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
        ({"netns": ["shop/web\n"]}, "netns: expected the name of a network namespace, at most 340 letters, or nothing"),
        ({"netns": ["x" * 341]}, f"netns: expected the name .*, found '{'x' * 60}'$"),
        ({"netns": ["web", "db"]}, "netns: expected once, found 2 times"),
        ({"group": ["port"]}, "group: expected holder, found 'port'"),
        ({"group": [""]}, "group: expected holder, found ''"),
        ({"group": ["holder", "holder"]}, "group: expected once, found 2 times"),
        ({"sate": ["close_wait"]}, "unknown parameter 'sate', expected state, port, netns, limit, group"),
    ],
)
def test_a_bad_parameter_is_named_with_what_was_expected(parameters: dict[str, list[str]], message: str) -> None:
    with pytest.raises(BadQueryError, match=message):
        stuck_query.parse(parameters)


@given(st.dictionaries(st.sampled_from(["state", "port", "netns", "limit", "group"]), st.lists(st.text(), min_size=1)))
def test_any_parameters_give_a_query_or_a_bad_one(parameters: dict[str, list[str]]) -> None:
    try:
        found = stuck_query.parse(parameters)
    except BadQueryError:
        return
    assert 1 <= found.limit <= 1000
