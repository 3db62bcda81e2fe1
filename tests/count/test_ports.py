"""Stories of ports that come and go; time is a number."""

from collections.abc import Iterable, Mapping

from exporter.count.ports import KEPT_SECONDS, Labels, PortBook
from exporter.count.rules import PortRules
from exporter.tcp.sockets import OWN, Listener, Role, Row, Service

EPHEMERAL = range(32768, 61000)


def listening(*ports: int) -> list[Listener]:
    return [Listener(port, 0, 128) for port in ports]


def labels(book: PortBook, role: Role, sockets: Mapping[int, int], now: float = 0.0) -> frozenset[int]:
    """The labelled ports of *role*, after a sample with so many sockets by port."""
    nothing: Mapping[Role, Mapping[int, int]] = {"server": {}, "client": {}}
    return book.assign({**nothing, role: sockets}, EPHEMERAL, now).ports[role]


def service(book: PortBook, local: int, remote: int, listeners: Iterable[Listener], now: float) -> Service:
    return book.roles(listeners, EPHEMERAL, now).service(local, remote)


def test_a_server_that_died_keeps_its_sockets_for_ten_minutes() -> None:
    """Even inside the ephemeral range, where nothing but the memory tells."""
    book = PortBook(PortRules())

    assert service(book, 50051, 40000, listening(50051), now=0) == Service("server", 50051)
    assert service(book, 50051, 40000, [], now=KEPT_SECONDS) == Service("server", 50051)
    assert service(book, 50051, 40000, [], now=KEPT_SECONDS + 1) == Service("client", 40000)


def test_a_named_server_is_one_without_ever_having_listened() -> None:
    book = PortBook(PortRules(server=frozenset({50051})))

    assert service(book, 50051, 40000, [], now=0) == Service("server", 50051)


def test_a_program_that_listens_on_one_port_after_the_other_is_remembered_within_bounds() -> None:
    book = PortBook(PortRules())
    for now in range(10):
        book.roles(listening(*range(1000 * now, 1000 * now + 1000)), EPHEMERAL, now)

    assert len(book._listened) == 4096
    assert service(book, 9999, 80, [], now=10) == Service("server", 9999)
    assert service(book, 1, 80, [], now=10) == Service("client", 80)


def test_every_server_port_gets_a_label() -> None:
    assert labels(PortBook(PortRules()), "server", {80: 5, 50051: 1}) == {80, 50051}


def test_the_busiest_get_the_places_that_there_are() -> None:
    assert labels(PortBook(PortRules(max=2)), "server", {80: 5, 81: 9, 82: 7}) == {81, 82}


def test_ports_outside_the_ephemeral_range_go_before_busier_ones_inside() -> None:
    assert labels(PortBook(PortRules(max=1)), "client", {443: 5, 50051: 500}) == {443}


def test_a_remote_port_inside_the_ephemeral_range_needs_three_sockets() -> None:
    assert labels(PortBook(PortRules()), "client", {50051: 3, 50052: 2, 443: 1}) == {50051, 443}


def test_who_has_a_label_keeps_it_when_others_get_busier() -> None:
    book = PortBook(PortRules(max=1))

    assert labels(book, "server", {80: 5}, now=0) == {80}
    assert labels(book, "server", {80: 5, 81: 500}, now=5) == {80}


def test_a_label_outlives_its_sockets_by_ten_minutes() -> None:
    book = PortBook(PortRules(max=1))

    labels(book, "client", {443: 5}, now=0)
    assert labels(book, "client", {444: 500}, now=KEPT_SECONDS) == {443}
    assert labels(book, "client", {444: 500}, now=KEPT_SECONDS + 1) == {444}


def test_named_ports_always_have_a_place_and_the_others_share_the_rest() -> None:
    book = PortBook(PortRules(server=frozenset({1, 2}), max=3))

    assert labels(book, "server", {80: 5, 81: 9}) == {1, 2, 81}


def test_a_list_of_client_ports_is_all_there_is() -> None:
    book = PortBook(PortRules(client=frozenset({443})))

    assert labels(book, "client", {443: 1, 80: 1000}) == {443}


def test_listening_ports_can_be_left_without_labels() -> None:
    book = PortBook(PortRules(listening=False, server=frozenset({8080})))

    assert labels(book, "server", {80: 5, 8080: 1}) == {8080}


def test_other_rules_are_followed_at_once() -> None:
    book = PortBook(PortRules())
    labels(book, "server", {80: 5})

    book.follow(PortRules(listening=False))

    assert labels(book, "server", {80: 5}) == set()


def test_the_same_rules_again_change_nothing() -> None:
    book = PortBook(PortRules(max=1))
    labels(book, "server", {80: 5})

    book.follow(PortRules(max=1))

    assert labels(book, "server", {80: 1, 81: 9}) == {80}


def test_ports_without_a_label_share_one() -> None:
    known = Labels({"server": frozenset({80}), "client": frozenset()})

    assert known.row(Service("server", 80)) == Row(OWN, "server", "80")
    assert known.row(Service("client", 80)) == Row(OWN, "client", "other")
