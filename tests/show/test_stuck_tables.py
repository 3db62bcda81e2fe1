from dataclasses import replace

from exporter.count.closed import Closed
from exporter.show import stuck_tables
from exporter.show.stuck_tables import HOLDERS, LISTED
from exporter.tcp.holders import Owner, Whose
from tests.show import nodes, samples


def test_a_holder_is_told_with_all_that_is_known() -> None:
    first, second = stuck_tables.holders(samples.census()).lines

    assert first == {
        "stuck": "270",
        "held by": "nginx.service (nginx)",
        "pid": "4711",
        "descriptors": "341 of 1,024",
        "port": "server 443",
        "state": "fin_wait2",
        "oldest": "3 h",
        "how they end": "nothing ends them",
    }
    assert (second["held by"], second["pid"], second["descriptors"]) == ("not known", "", "")


def test_sockets_that_are_over_are_told_below_those_that_are_stuck() -> None:
    closed = Closed({Whose("/system.slice/nginx.service", "nginx"): 60, Whose("", "java"): 1})

    *_, nginx, java = stuck_tables.holders(replace(samples.census(), closed=closed)).lines

    assert nginx == {
        "stuck": "60",
        "held by": "nginx.service (nginx)",
        "pid": "4711",
        "descriptors": "341 of 1,024",
        "port": "",
        "state": "close",
        "oldest": "",
        "how they end": "over, not closed",
    }
    assert (java["stuck"], java["held by"], java["descriptors"]) == ("1", "java", "")


def test_a_socket_is_told_with_all_that_is_known() -> None:
    socket = samples.stuck_socket()
    unread = socket._replace(socket=socket.socket._replace(receive_queue=1517))

    [line] = stuck_tables.sockets(replace(samples.stuck(), listed=[unread])).lines

    assert line == {
        "state": "fin_wait2",
        "local": "192.0.2.1:443",
        "remote": "198.51.100.7:50000",
        "age": "3 h",
        "how it ends": "nothing ends it",
        "unread": "1,517",
        "unsent": ".",
        "held by": "nginx.service (nginx)",
        "pid": "4711",
    }


def test_a_list_that_is_whole_needs_no_caption() -> None:
    assert stuck_tables.holders(samples.census()).caption == ""


def test_a_list_that_is_cut_says_how_much_of_it_is_there() -> None:
    sockets = [samples.stuck_socket()] * 100
    holders = [samples.holding()._replace(sockets=2, owner=Owner("", "", pid)) for pid in range(1, 101)]
    stuck = replace(samples.stuck(), listed=sockets, holdings=holders)

    shown = stuck_tables.sockets(stuck)
    assert (len(shown.lines), shown.caption) == (LISTED, "The 20 oldest of 280 stuck sockets.")
    biggest = stuck_tables.holders(replace(samples.census(), stuck=stuck))
    assert (len(biggest.lines), biggest.caption) == (HOLDERS, "The 20 biggest, with 40 of 280 stuck sockets.")


def test_where_nothing_is_stuck_there_is_nothing_to_show() -> None:
    well = samples.healthy()

    assert (stuck_tables.holders(well).lines, stuck_tables.sockets(well.stuck).lines) == ([], [])


def test_the_namespace_is_a_column_where_any_line_is_of_another_than_ours() -> None:
    *_, java = stuck_tables.holders(nodes.census()).lines
    ours, theirs, together = stuck_tables.sockets(nodes.census().stuck).lines

    assert (java["port"], java["netns"], java["descriptors"]) == ("server 8080", nodes.POD.name, "60 of 64")
    assert [line["netns"] for line in (ours, theirs, together)] == ["", nodes.POD.name, "other"]
    assert "netns" not in stuck_tables.holders(samples.census()).lines[0]
    assert "netns" not in stuck_tables.sockets(samples.stuck()).lines[0]


def test_sockets_that_are_over_are_told_with_their_namespace() -> None:
    closed = Closed({Whose("/web", "nginx", "shop/web"): 60})

    *_, nginx = stuck_tables.holders(replace(samples.census(), closed=closed)).lines

    assert (nginx["port"], nginx["netns"], nginx["state"]) == ("", "shop/web", "close")
