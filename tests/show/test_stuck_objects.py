from exporter.count.closed import Closed
from exporter.show.stuck_objects import of_closed, of_holder, of_holding, of_socket
from exporter.tcp.holders import Owner, Whose
from exporter.tcp.verdicts import CLOSE, CLOSE_WITH_KEEPALIVE, READ
from tests.show import nodes, samples

CONTAINER = "0123456789abcdef" * 4
NGINX_THERE = Owner(f"/system.slice/docker-{CONTAINER}.scope", "nginx", 4711)


def test_a_socket_is_an_object_with_all_that_is_known() -> None:
    assert of_socket(samples.stuck_socket(), samples.stuck()) == {
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
        "container_id": None,
        "pid": 4711,
        "process": "nginx",
    }


def test_a_holding_is_an_object_with_all_that_is_known() -> None:
    assert of_holding(samples.holding(), samples.stuck(), samples.holder()) == {
        "state": "fin_wait2",
        "role": "server",
        "port": 443,
        "cgroup": "/system.slice/nginx.service",
        "container_id": None,
        "pid": 4711,
        "process": "nginx",
        "sockets": 270,
        "oldest_age_seconds": 10800.5,
        "endings": {"nothing": 270},
        "descriptors": {"pid": 4711, "open": 341, "limit": 1024, "stuck": 270, "seconds_left": None},
    }


def test_a_holder_is_an_object_with_all_that_is_known() -> None:
    found = of_holder(samples.holder()._replace(seconds_left=40.12345))

    assert (found["process"], found["stuck"]) == ("nginx", 270)
    assert found["descriptors"] == {"pid": 4711, "open": 341, "limit": 1024, "stuck": 270, "seconds_left": 40.123}


def test_closed_sockets_are_told_by_who_holds_them_and_null_where_nothing_is_known() -> None:
    closed = Closed({Whose("/system.slice/nginx.service", "nginx"): 60}, 3)
    nginx, nobody = of_closed(closed, [samples.holder()]) or []

    assert (nginx["process"], nginx["pid"], nginx["sockets"]) == ("nginx", 4711, 60)
    assert (nobody["process"], nobody["sockets"]) == (None, 3)
    assert (of_closed(Closed({}), []), of_closed(Closed(), [])) == ([], None)


def test_what_is_not_known_of_an_owner_is_null() -> None:
    found = of_holding(samples.holding()._replace(owner=Owner("", ""), verdicts={}), samples.stuck(), None)

    assert (found["cgroup"], found["container_id"], found["pid"], found["process"]) == (None, None, None, None)
    assert found["descriptors"] is None
    assert found["endings"] == {}


def test_the_container_is_told_in_full() -> None:
    socket = of_socket(samples.stuck_socket()._replace(owner=NGINX_THERE), samples.stuck())
    holding = of_holding(samples.holding()._replace(owner=NGINX_THERE), samples.stuck(), None)

    assert socket["container_id"] == holding["container_id"] == CONTAINER
    assert socket["cgroup"] == holding["cgroup"] == NGINX_THERE.cgroup


def test_a_namespace_is_told_by_name_unless_it_is_our_own() -> None:
    stuck = nodes.census().stuck

    assert of_socket(nodes.stuck_socket(nodes.POD.number), stuck)["netns"] == nodes.POD.name
    assert of_socket(nodes.stuck_socket(nodes.UNTOLD), stuck)["netns"] == "other"
    assert of_holding(nodes.holding(), stuck, None)["netns"] == nodes.POD.name
    assert "netns" not in of_socket(samples.stuck_socket(), stuck)


def test_the_namespace_of_a_holder_is_told_likewise() -> None:
    nginx, java = map(of_holder, nodes.census().holders)
    closed = Closed({Whose("/web", "nginx"): 2, Whose("/web", "nginx", nodes.POD.name): 3})
    ours, theirs = of_closed(closed, []) or []

    assert ("netns" in nginx, java["netns"]) == (False, nodes.POD.name)
    assert ("netns" in ours, theirs["netns"]) == (False, nodes.POD.name)


def test_endings_that_share_a_word_are_counted_together() -> None:
    verdicts = {CLOSE: 3, CLOSE_WITH_KEEPALIVE: 4, READ: 1}

    assert of_holding(samples.holding()._replace(verdicts=verdicts), samples.stuck(), None)["endings"] == {
        "close": 7,
        "read": 1,
    }
