import json
from dataclasses import replace

import pytest

from exporter.show import stuck_list
from exporter.show.stuck_list import Query
from exporter.tcp.states import State
from tests.show import nodes, samples

BOTH = ("sockets", Query()), ("holdings", Query(group="holder"))


@pytest.mark.parametrize(("name", "query"), BOTH)
def test_the_list_says_when_it_was_so_and_how_many_are_stuck(name: str, query: Query) -> None:
    found = json.loads(stuck_list.render(samples.sample(), query))

    assert list(found) == ["timestamp", "stuck", "closed_held", name]
    assert (found["timestamp"], found["stuck"]) == (1_700_000_000.0, 280)


def test_sockets_are_listed_one_by_one() -> None:
    [socket] = json.loads(stuck_list.render(samples.sample(), Query()))["sockets"]

    assert (socket["local"], socket["age_seconds"], socket["pid"]) == ("192.0.2.1:443", 10800.5, 4711)


def test_addresses_can_be_left_out() -> None:
    [told] = json.loads(stuck_list.render(samples.sample(), Query()))["sockets"]
    [left_out] = json.loads(stuck_list.render(samples.sample(), Query(), addresses=False))["sockets"]

    assert left_out == {**told, "local": None, "remote": None}


def test_holders_are_listed_the_biggest_first() -> None:
    found = json.loads(stuck_list.render(samples.sample(), Query(group="holder")))["holdings"]

    assert [(holding["process"], holding["sockets"], holding["oldest_age_seconds"]) for holding in found] == [
        ("nginx", 270, 10800.5),
        (None, 10, 250.0),
    ]


@pytest.mark.parametrize(
    ("query", "sockets", "holdings"),
    [
        (Query(state=State.FIN_WAIT2), 1, 2),
        (Query(state=State.CLOSE_WAIT), 0, 0),
        (Query(port=443), 1, 2),
        (Query(port=80), 0, 0),
        (Query(limit=1), 1, 1),
    ],
)
def test_others_are_left_out(query: Query, sockets: int, holdings: int) -> None:
    by_holder = replace(query, group="holder")

    assert len(json.loads(stuck_list.render(samples.sample(), query))["sockets"]) == sockets
    assert len(json.loads(stuck_list.render(samples.sample(), by_holder))["holdings"]) == holdings


@pytest.mark.parametrize(
    ("netns", "local", "processes"),
    [
        ("", ["192.0.2.1:443"], ["nginx", None]),
        (nodes.POD.name, ["192.0.2.1:8080"], ["java"]),
        ("other", ["192.0.2.1:8080"], []),
        ("nobody", [], []),
    ],
)
def test_one_namespace_can_be_asked_for(netns: str, local: list[str], processes: list[str | None]) -> None:
    sample = replace(samples.sample(), census=nodes.census())
    sockets = json.loads(stuck_list.render(sample, Query(netns=netns)))["sockets"]
    holdings = json.loads(stuck_list.render(sample, Query(netns=netns, group="holder")))["holdings"]

    assert [one["local"] for one in sockets] == local
    assert [one["process"] for one in holdings] == processes


def test_a_holder_has_the_descriptors_of_its_process_in_that_namespace() -> None:
    """The same program may leak in the host's too."""
    sample = replace(samples.sample(), census=nodes.census())
    query = Query(netns=nodes.POD.name, group="holder")

    [holding] = json.loads(stuck_list.render(sample, query))["holdings"]

    assert holding["descriptors"]["open"] == 60
