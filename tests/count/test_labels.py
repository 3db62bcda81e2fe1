"""Stories of network namespaces that are told by name, and of those that are not; time is a number."""

from collections.abc import Mapping

import pytest

from exporter.count.labels import OTHER, Book, Labels
from exporter.count.ports import KEPT_SECONDS, Traffic
from exporter.count.rules import NamespaceRules, PortRules
from exporter.tcp.limits import DEFAULT_EPHEMERAL
from exporter.tcp.namespaces import OWN
from exporter.tcp.sockets import Row, Service

A, B, C = 4026532001, 4026532002, 4026532003
NAMES = {OWN: "", A: "a", B: "b", C: "c"}


def traffic(sockets: Mapping[int, int], *, stuck: Mapping[int, int] | None = None) -> Traffic:
    """Of servers with so many connections by port."""
    return Traffic({"server": sockets, "client": {}}, {"server": stuck or {}, "client": {}}, {})


BUSY, IDLE, NOTHING, HUNG = traffic({80: 9}), traffic({80: 1}), traffic({}), traffic({80: 1}, stuck={80: 1})


def book(most: int = 250, ports: int = 10, rules: PortRules | None = None) -> Book:
    return Book(rules or PortRules(), NamespaceRules("all", most, ports))


def assigned(
    of: Book, elsewhere: Mapping[int, Traffic], now: float = 0.0, names: Mapping[int, str] | None = None
) -> Labels:
    """After a sample in which our own namespace has nothing."""
    return of.assign({OWN: NOTHING, **elsewhere}, {}, NAMES if names is None else names, now)


def told(of: Book, elsewhere: Mapping[int, Traffic], now: float = 0.0) -> set[str]:
    """The names of the others that are told after such a sample."""
    return set(assigned(of, elsewhere, now).names.values()) - {""}


def test_a_service_is_told_under_the_name_of_its_namespace_and_our_own_has_none() -> None:
    labels = book().assign({OWN: BUSY, A: BUSY}, {}, NAMES, 0.0)

    assert labels.row(Service("server", 80)) == Row("", "server", "80")
    assert labels.row(Service("server", 80, A)) == Row("a", "server", "80")
    assert labels.row(Service("client", 80, A)) == Row("a", "client", OTHER)


def test_our_own_namespace_always_is_told_whatever_others_have() -> None:
    of = book(most=1)
    for now in (0.0, KEPT_SECONDS + 1.0, 3 * KEPT_SECONDS):
        labels = assigned(of, {A: HUNG, B: HUNG}, now)

        assert OWN in labels.ports
        assert labels.names[OWN] == ""


def test_those_beyond_the_places_are_told_together() -> None:
    labels = assigned(book(most=2), {A: BUSY, B: IDLE, C: BUSY})

    assert labels.names == {OWN: "", A: "a", C: "c"}
    assert labels.row(Service("server", 80, B)) == Row(OTHER, "server", OTHER)
    assert list(labels.rows(B)) == [(None, Row(OTHER, role, OTHER)) for role in ("server", "client")]


def test_places_go_first_to_who_has_stuck_sockets_and_then_to_who_has_most() -> None:
    assert told(book(most=1), {A: IDLE, B: BUSY}) == {"b"}
    assert told(book(most=1), {A: IDLE, B: BUSY, C: HUNG}) == {"c"}
    assert told(book(most=2), {A: IDLE, B: BUSY, C: HUNG}) == {"b", "c"}


def test_who_is_without_sockets_gets_no_place() -> None:
    assert told(book(), {A: NOTHING, B: IDLE}) == {"b"}


def test_a_place_is_not_given_to_who_is_busier() -> None:
    of = book(most=1)
    told(of, {A: IDLE})

    assert told(of, {A: IDLE, B: BUSY}, now=5.0) == {"a"}


@pytest.mark.parametrize("gone", [{}, {A: NOTHING}], ids=["gone", "without sockets"])
def test_a_place_is_kept_for_ten_minutes_by_who_has_no_sockets(gone: Mapping[int, Traffic]) -> None:
    of = book(most=1)
    told(of, {A: BUSY})

    assert told(of, {**gone, B: BUSY}, now=KEPT_SECONDS) <= {"a"}
    assert told(of, {**gone, B: BUSY}, now=KEPT_SECONDS + 1.0) == {"b"}


def test_who_comes_back_within_ten_minutes_has_its_place() -> None:
    of = book(most=1)
    told(of, {A: IDLE})
    told(of, {B: BUSY}, now=KEPT_SECONDS)

    assert told(of, {A: IDLE, B: BUSY}, now=KEPT_SECONDS) == {"a"}
    assert told(of, {A: IDLE, B: BUSY}, now=2 * KEPT_SECONDS) == {"a"}


def test_who_has_stuck_sockets_displaces_one_that_has_none() -> None:
    of = book(most=2)
    told(of, {A: BUSY, B: HUNG})

    assert told(of, {A: BUSY, B: HUNG, C: HUNG}, now=5.0) == {"b", "c"}


def test_nobody_is_displaced_where_all_have_stuck_sockets() -> None:
    of = book(most=1)
    told(of, {A: HUNG})

    assert told(of, {A: HUNG, B: traffic({80: 900}, stuck={80: 900})}, now=5.0) == {"a"}


def test_who_is_gone_is_displaced_first_and_then_who_has_fewest_sockets() -> None:
    of = book(most=3)
    told(of, {A: BUSY, B: IDLE, C: IDLE})

    assert told(of, {A: BUSY, B: IDLE, C + 1: HUNG}, now=5.0) == {"a", "b", str(C + 1)}
    assert told(of, {A: BUSY, B: IDLE, C + 1: HUNG, C: HUNG}, now=10.0) == {"a", "c", str(C + 1)}


def test_one_without_a_name_is_told_by_its_number() -> None:
    assert assigned(book(), {A: BUSY}, names={}).names == {OWN: "", A: str(A)}


def test_two_of_one_name_are_told_together() -> None:
    labels = assigned(book(), {A: BUSY, B: BUSY}, names={A: "twin", B: "twin"})

    assert labels.row(Service("server", 80, A)) == labels.row(Service("server", 80, B)) == Row("twin", "server", "80")


def test_each_namespace_has_ports_of_its_own_and_no_more_than_its_places() -> None:
    many = traffic({port: port for port in range(1, 21)})
    labels = book(ports=3).assign({OWN: many, A: many, B: traffic({443: 1})}, {}, NAMES, 0.0)

    assert len(labels.ports[OWN]["server"]) == 20
    assert labels.ports[A]["server"] == {18, 19, 20}
    assert labels.ports[B]["server"] == {443}


def test_ports_without_a_label_are_counted_in_each_namespace() -> None:
    many = dict.fromkeys(range(1, 6), 1)
    labels = book(most=1, ports=2).assign({OWN: NOTHING, A: traffic(many), B: IDLE}, {}, NAMES, 0.0)

    assert labels.folded(A, {"server": many, "client": {}}) == {"server": 3, "client": 0}
    assert labels.folded(OWN, {"server": {}, "client": {}}) == {"server": 0, "client": 0}
    assert labels.folded(B, {"server": {80: 1}, "client": {443: 1}}) == {"server": 1, "client": 1}


def test_ports_that_are_named_are_so_everywhere_as_far_as_there_are_places() -> None:
    rules = PortRules(server=frozenset({8001, 8002, 8003}), client=frozenset({5432, 5433, 5434}))
    clients = Traffic({"server": {}, "client": {443: 900}}, {"server": {}, "client": {}}, {})
    labels = assigned(book(ports=2, rules=rules), {A: clients})

    assert labels.ports[OWN] == {"server": rules.server, "client": rules.client}
    assert labels.ports[A] == {"server": {8001, 8002}, "client": {5432, 5433}}


def test_each_namespace_goes_by_its_own_ephemeral_range() -> None:
    dialled = Traffic({"server": {}, "client": {40000: 2}}, {"server": {}, "client": {}}, {})
    ranges = {A: range(1024, 30000), B: DEFAULT_EPHEMERAL}
    labels = book().assign({OWN: NOTHING, A: dialled, B: dialled}, ranges, NAMES, 0.0)

    assert [sorted(labels.ports[netns]["client"]) for netns in (A, B)] == [[40000], []]


def test_rows_are_by_role_and_port_and_the_rest_is_last() -> None:
    labels = assigned(book(), {A: traffic({443: 1, 80: 1})})

    assert [row for _, row in labels.rows(A)] == [
        Row("a", "server", "80"),
        Row("a", "server", "443"),
        Row("a", "server", OTHER),
        Row("a", "client", OTHER),
    ]
    assert [service for service, _ in labels.rows(A)] == [
        Service("server", 80, A),
        Service("server", 443, A),
        None,
        None,
    ]


def test_other_places_are_given_out_anew() -> None:
    of = book(most=1)
    told(of, {A: IDLE})

    of.follow(PortRules(), NamespaceRules("all", 2))
    assert told(of, {A: IDLE, B: IDLE}, now=5.0) == {"a", "b"}
    of.follow(PortRules(), NamespaceRules("all", 1))
    assert told(of, {A: IDLE, B: BUSY}, now=10.0) == {"b"}


def test_the_same_rules_again_change_nothing() -> None:
    of = book(most=1)
    told(of, {A: IDLE})

    of.follow(PortRules(), NamespaceRules("all", 1))

    assert told(of, {A: IDLE, B: BUSY}, now=5.0) == {"a"}


def test_other_rules_for_ports_are_followed_in_every_namespace() -> None:
    of = book()
    assert assigned(of, {A: BUSY}).ports[A]["server"] == {80}

    of.follow(PortRules(listening=False), NamespaceRules("all"))

    assert assigned(of, {A: BUSY}, now=5.0).ports[A]["server"] == set()


def test_what_is_remembered_of_namespaces_that_come_and_go_is_bounded_by_the_places() -> None:
    """Jobs that run for seconds, each in one of its own."""
    of = book(most=5)
    for job in range(1000):
        assigned(of, {A + job: HUNG if job % 3 else BUSY}, now=5.0 * job)

        assert len(of._seen) <= 6
        assert len(of._books) <= 6
