"""Stories of ports that need a label, and of those that get one; time is a number."""

from collections.abc import Mapping

from exporter.count.ports import KEPT_SECONDS, SETTLED_SECONDS, PortBook, Traffic
from exporter.count.rules import PortRules
from exporter.tcp.sockets import Role

EPHEMERAL = range(32768, 61000)


def labels(  # noqa: PLR0913 - all that can be known of the ports
    book: PortBook,
    role: Role,
    sockets: Mapping[int, int],
    now: float = 0.0,
    *,
    stuck: Mapping[int, int] | None = None,
    idle: Mapping[int, int] | None = None,
    ephemeral: range = EPHEMERAL,
) -> frozenset[int]:
    """The labelled ports of *role*, after a sample with so many connections by port, and *idle* listening sockets."""
    nothing: Mapping[Role, Mapping[int, int]] = {"server": {}, "client": {}}
    listening = idle or {}
    together = {port: sockets.get(port, 0) + listening.get(port, 0) for port in {*sockets, *listening}}
    traffic = Traffic({**nothing, role: together}, {**nothing, role: stuck or {}}, listening)
    return book.assign(traffic, ephemeral, now)[role]


def test_every_server_port_gets_a_label() -> None:
    assert labels(PortBook(PortRules()), "server", {80: 5, 50051: 1}) == {80, 50051}


def test_the_busiest_get_the_places_that_there_are() -> None:
    assert labels(PortBook(PortRules(max=2)), "server", {80: 5, 81: 9, 82: 7}) == {81, 82}


def test_ports_outside_the_ephemeral_range_go_before_busier_ones_inside() -> None:
    assert labels(PortBook(PortRules(max=1)), "client", {443: 5, 50051: 500}) == {443}


def test_a_remote_port_inside_the_range_has_to_be_shared_to_be_a_service() -> None:
    assert labels(PortBook(PortRules()), "client", {50051: 3, 40000: 2, 443: 1}) == {50051, 443}


def test_in_a_wide_range_a_port_below_where_others_dial_from_is_a_service() -> None:
    found = labels(PortBook(PortRules()), "client", {5432: 2, 40000: 2}, ephemeral=range(1024, 65536))

    assert found == {5432}


def test_a_label_in_use_is_not_given_to_a_busier_port() -> None:
    book = PortBook(PortRules(max=1))

    labels(book, "server", {80: 5})
    assert labels(book, "server", {80: 3, 81: 900}, now=5) == {80}
    assert labels(book, "server", {80: 1, 81: 900}, now=KEPT_SECONDS) == {80}


def test_a_port_that_was_busy_lately_keeps_its_label_while_it_is_idle() -> None:
    book = PortBook(PortRules(max=1))

    labels(book, "server", {80: 5}, idle={80: 1})
    for now in range(5, KEPT_SECONDS, 5):
        assert labels(book, "server", {81: 5}, now, idle={80: 1, 81: 1}) == {80}


def test_a_port_that_is_gone_keeps_its_label_until_somebody_needs_it() -> None:
    book = PortBook(PortRules(max=1))
    labels(book, "client", {443: 5})

    assert labels(book, "client", {}, now=KEPT_SECONDS) == {443}
    assert labels(book, "client", {}, now=KEPT_SECONDS + 1) == set()


def test_a_port_that_is_gone_gives_its_label_to_one_that_is_there() -> None:
    book = PortBook(PortRules(max=1))
    labels(book, "client", {443: 5})

    assert labels(book, "client", {444: 500}, now=SETTLED_SECONDS) == {443}
    assert labels(book, "client", {444: 500}, now=SETTLED_SECONDS + 1) == {444}


def test_stuck_goes_before_busy_before_few_before_idle() -> None:
    book, found = PortBook(PortRules(max=1)), []
    listening = dict.fromkeys((80, 81, 82, 83), 1)
    sockets: dict[int, int] = {}
    stuck: dict[int, int] = {}
    for now, (port, number, hung) in enumerate([(80, 0, 0), (81, 1, 0), (82, 3, 0), (83, 1, 1)]):
        sockets[port], stuck[port] = number, hung
        at = 100.0 * now
        labels(book, "server", sockets, at, idle=listening, stuck={of: n for of, n in stuck.items() if n})
        found.append(
            labels(book, "server", sockets, at + 50, idle=listening, stuck={of: n for of, n in stuck.items() if n})
        )

    assert found == [{80}, {81}, {82}, {83}]


def test_of_150_idle_listeners_the_one_that_leaks_gets_a_label() -> None:
    book, listening = PortBook(PortRules()), dict.fromkeys(range(5001, 5151), 1)
    before = labels(book, "server", {}, idle=listening)
    assert 5150 not in before

    after = labels(book, "server", {5150: 400}, now=5, idle=listening, stuck={5150: 400})

    assert 5150 in after
    assert len(after) == 100
    assert len(after & before) == 99


def test_a_scan_does_not_take_the_label_of_a_database() -> None:
    book = PortBook(PortRules())
    scan = dict.fromkeys(range(1, 3001), 1)
    labels(book, "client", scan)

    assert 5432 in labels(book, "client", {**scan, 5432: 16}, now=5)


def test_who_listens_for_seconds_gets_no_label() -> None:
    """Five passive transfers a second, each with a port of its own for two seconds; later comes a service."""
    book, made = PortBook(PortRules()), set(labels(PortBook(PortRules()), "server", {21: 1}, idle={21: 1}))
    labels(book, "server", {21: 1}, idle={21: 1})
    for now in range(1, 120):
        data = dict.fromkeys(range(40000 + 5 * now, 40010 + 5 * now), 1)
        made |= labels(book, "server", {21: 9, **data}, now, idle={21: 1, **data})
    assert made == {21}

    assert labels(book, "server", {8080: 1, 40001: 1}, 120, idle={8080: 1, 40001: 1}) == {21, 8080}
    assert labels(book, "server", {8080: 1, 40001: 1}, 120 + SETTLED_SECONDS, idle={40001: 1}) == {21, 8080, 40001}


def test_when_half_of_the_places_are_taken_ports_with_few_sockets_have_to_stay_to_get_one() -> None:
    book = PortBook(PortRules(max=4))
    labels(book, "client", {80: 1, 81: 1, 82: 1})

    assert labels(book, "client", {80: 1, 81: 1, 82: 1, 83: 1}, now=5) == {80, 81, 82}
    assert labels(book, "client", {80: 1, 81: 1, 82: 1, 83: 1}, now=5 + SETTLED_SECONDS) == {80, 81, 82, 83}


def test_a_new_port_with_several_sockets_gets_its_label_at_once() -> None:
    book = PortBook(PortRules())
    labels(book, "server", {80: 5})

    assert labels(book, "server", {80: 5, 81: 3}, now=1) == {80, 81}


def test_labels_made_in_an_hour_are_bounded_whatever_comes_and_goes() -> None:
    """Whoever makes three connections to each port in turn can have a place in ten minutes for each that there is."""
    book, made, before = PortBook(PortRules(max=10)), 0, frozenset[int]()
    for now in range(0, 3600, 5):
        start = 1 + now * 3
        after = labels(book, "client", dict.fromkeys(range(start, start + 15), 3), now)
        made, before = made + len(after - before), after

    assert made <= 10 * 3600 / SETTLED_SECONDS
    busy, stuck_made, before = PortBook(PortRules(max=10)), 0, frozenset[int]()
    for now in range(0, 3600, 5):
        lasting = dict.fromkeys(range(1, 40), 3)
        after = labels(busy, "client", lasting, now, stuck={1 + now // 5 % 39: 1})
        stuck_made, before = stuck_made + len(after - before), after
    assert stuck_made <= 2 * 10 * 3600 / KEPT_SECONDS


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
