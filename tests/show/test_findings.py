from dataclasses import replace

import pytest

from exporter.count.census import AcceptQueue, Bounds, Census
from exporter.count.closed import Closed
from exporter.count.stuck import WatchedCount
from exporter.show.findings import Finding, findings, usages
from exporter.tcp.holders import Descriptors, Whose
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from exporter.tcp.verdicts import ACCEPT, CLOSE, FIN_TIMEOUT, KEEPALIVE, NOTHING, READ
from tests.show import nodes, samples

HTTP = samples.row("server", "8080")
WEB = Whose("/system.slice/nginx.service", "nginx")


def with_stuck(state: State, count: WatchedCount, row: Row = HTTP) -> Census:
    census = samples.healthy()
    watched = {row: samples.watched(**{state.label: replace(count, oldest_stuck_age=count.oldest_age)})}
    return replace(census, stuck=replace(census.stuck, watched=watched))


@pytest.mark.parametrize(
    ("state", "count", "sentence"),
    [
        (
            State.FIN_WAIT2,
            WatchedCount(289, 10800, stuck_verdicts={NOTHING: 289}),
            "289 sockets on port 8080 are stuck in FIN_WAIT2 and nothing will end them; for up to 3 h.",
        ),
        (
            State.FIN_WAIT2,
            WatchedCount(1, 150, {NOTHING: 30, FIN_TIMEOUT: 40}, {NOTHING: 1}),
            "1 socket on port 8080 is stuck in FIN_WAIT2 and nothing will end it; for up to 2 min 30 s.",
        ),
        (
            State.FIN_WAIT2,
            WatchedCount(5, 150, {NOTHING: 30, KEEPALIVE: 2}, {NOTHING: 3, KEEPALIVE: 2}),
            (
                "5 sockets on port 8080 are stuck in FIN_WAIT2 (3 that nothing will end, 2 that end only if the peer is"
                " dead); for up to 2 min 30 s."
            ),
        ),
        (
            State.CLOSE_WAIT,
            WatchedCount(6, 150, {CLOSE: 3, READ: 20, ACCEPT: 1}, {CLOSE: 3, READ: 2, ACCEPT: 1}),
            (
                "6 sockets on port 8080 are stuck in CLOSE_WAIT (3 that the process does not close, 2 with unread data,"
                " 1 that nobody accepts); for up to 2 min 30 s."
            ),
        ),
        (
            State.CLOSE_WAIT,
            WatchedCount(4, 150, {CLOSE: 4}, {CLOSE: 4}),
            "4 sockets on port 8080 are stuck in CLOSE_WAIT and the process does not close them; for up to 2 min 30 s.",
        ),
        (
            State.CLOSE_WAIT,
            WatchedCount(4, 150, {CLOSE: 900}, {CLOSE: 3}),
            (
                "4 sockets on port 8080 are stuck in CLOSE_WAIT (3 that the process does not close);"
                " for up to 2 min 30 s."
            ),
        ),
        (
            State.FIN_WAIT2,
            WatchedCount(4, 150, {NOTHING: 9}),
            "4 sockets on port 8080 are stuck in FIN_WAIT2; for up to 2 min 30 s.",
        ),
        (
            State.LAST_ACK,
            WatchedCount(4, 150),
            "4 sockets on port 8080 are stuck in LAST_ACK; for up to 2 min 30 s.",
        ),
    ],
)
def test_a_stuck_state_is_one_sentence(state: State, count: WatchedCount, sentence: str) -> None:
    assert [found.text for found in findings(with_stuck(state, count))] == [sentence]


def test_the_owners_are_named_and_that_there_are_others() -> None:
    [found] = findings(samples.census())

    assert found.text == (
        "280 sockets on port 443 are stuck in FIN_WAIT2 and nothing will end them;"
        " held by nginx.service (nginx) and others for up to 3 h; nginx has 341 of 1,024 descriptors open."
    )
    assert found.is_bad


def test_a_client_dials_to_a_port() -> None:
    [found] = findings(with_stuck(State.SYN_SENT, WatchedCount(3, 70), samples.row("client", "other")))

    assert found.text.startswith("3 sockets to other ports are stuck in SYN_SENT")
    assert not found.is_bad


def test_a_limit_that_is_near_is_said_and_one_that_is_reached_is_bad() -> None:
    census = samples.healthy()
    queued = {"80": 110, "81": 129, "82": 1}
    queues = {samples.row("server", port): AcceptQueue(number, 128) for port, number in queued.items()}

    found = findings(replace(census, accept_queues=queues))

    assert [(one.text, one.is_bad) for one in found] == [
        ("Accept queue of port 81: 129 of 128 in use.", True),
        ("Accept queue of port 80: 110 of 128 in use.", False),
    ]


def test_what_goes_wrong_on_very_many_ports_is_not_a_very_long_page() -> None:
    census = samples.healthy()
    leaking = samples.watched(close_wait=WatchedCount(3, 150, stuck_verdicts={CLOSE: 3}))
    watched = {samples.row("server", str(port)): leaking for port in range(1, 31)}

    found = findings(replace(census, stuck=replace(census.stuck, watched=watched)))

    assert len(found) == 11
    assert found[-1].text == "And 20 more."


HOUR = 3600.0


@pytest.mark.parametrize(
    ("opened", "seconds_left", "said"),
    [
        pytest.param(819, None, None, id="far from the limit"),
        pytest.param(820, None, ("820 of 1,024 descriptors open (pid 4711)", False), id="near"),
        pytest.param(921, None, ("921 of 1,024 descriptors open (pid 4711)", False), id="near, and not yet full"),
        pytest.param(922, None, ("922 of 1,024 descriptors open (pid 4711)", True), id="nearly full"),
        pytest.param(1024, None, ("1,024 of 1,024 descriptors open (pid 4711)", True), id="full"),
        pytest.param(
            341,
            4 * HOUR - 1,
            ("341 of 1,024 descriptors open (pid 4711); at this pace none is left in 3 h 59 min", True),
            id="soon full",
        ),
        pytest.param(
            341,
            4 * HOUR,
            ("341 of 1,024 descriptors open (pid 4711); at this pace none is left in 4 h", False),
            id="full some day",
        ),
        pytest.param(341, 24 * HOUR, None, id="full in a long time"),
        pytest.param(
            820, 24 * HOUR, ("820 of 1,024 descriptors open (pid 4711)", False), id="near, and full in a long time"
        ),
        pytest.param(
            1024,
            0.0,
            ("1,024 of 1,024 descriptors open (pid 4711); at this pace none is left in 0 s", True),
            id="full, and going on",
        ),
    ],
)
def test_a_holder_that_comes_near_its_end_is_one_sentence(
    opened: int, seconds_left: float | None, said: tuple[str, bool] | None
) -> None:
    holder = samples.holder()._replace(descriptors=Descriptors(opened, 1024), seconds_left=seconds_left)

    found = findings(replace(samples.healthy(), holders=[holder]))

    assert found == ([Finding(f"nginx.service (nginx) has {said[0]}.", said[1])] if said else [])


def test_each_holder_is_said_the_worst_first() -> None:
    near = samples.holder()._replace(whose=Whose(WEB.cgroup, "first"), descriptors=Descriptors(900, 1024))
    full = samples.holder()._replace(whose=Whose(WEB.cgroup, "second"), descriptors=Descriptors(1024, 1024))

    found = findings(replace(samples.healthy(), holders=[near, full]))

    assert [one.text.partition(" has ")[0] for one in found] == ["nginx.service (second)", "nginx.service (first)"]


@pytest.mark.parametrize(
    ("cgroup", "process", "name"),
    [
        ("/system.slice/nginx.service", "", "nginx.service"),
        ("", "nginx", "nginx"),
        ("", "", "A holder of stuck sockets"),
    ],
)
def test_a_holder_is_called_as_far_as_its_name_is_known(cgroup: str, process: str, name: str) -> None:
    full = samples.holder()._replace(whose=Whose(cgroup, process), descriptors=Descriptors(1024, 1024))

    [found] = findings(replace(samples.healthy(), holders=[full]))

    assert found.text == f"{name} has 1,024 of 1,024 descriptors open (pid 4711)."


def test_a_holder_whose_descriptors_are_not_known_is_not_said_to_come_near_its_end() -> None:
    unknown = samples.holder()._replace(pid=0, descriptors=None)

    assert findings(replace(samples.healthy(), holders=[unknown])) == []


OVER = "over and in no table any more, and"


@pytest.mark.parametrize(
    ("closed", "said"),
    [
        pytest.param(Closed(), [], id="not known"),
        pytest.param(Closed({}, 0), [], id="none"),
        pytest.param(Closed({}, 9), [], id="a few that are being made"),
        pytest.param(
            Closed({}, 10),
            [(f"10 sockets are {OVER} processes that are not known still hold them and their descriptors.", True)],
            id="many that nobody is known to hold",
        ),
        pytest.param(
            Closed({WEB: 1}),
            [(f"1 socket is {OVER} nginx.service (nginx) still holds it and its descriptor.", False)],
            id="one of a known process",
        ),
        pytest.param(
            Closed({WEB: 9}, 9),
            [(f"9 sockets are {OVER} nginx.service (nginx) still holds them and their descriptors.", False)],
            id="a few of a known process",
        ),
        pytest.param(
            Closed({WEB: 1234, Whose("", "php"): 10, Whose("", ""): 2}, 11),
            [
                (f"1,234 sockets are {OVER} nginx.service (nginx) still holds them and their descriptors.", True),
                (f"10 sockets are {OVER} php still holds them and their descriptors.", True),
                (f"11 sockets are {OVER} processes that are not known still hold them and their descriptors.", True),
                (f"2 sockets are {OVER} its process still holds them and their descriptors.", False),
            ],
            id="of several",
        ),
    ],
)
def test_closed_sockets_that_are_held_are_a_sentence_for_each_owner(
    closed: Closed, said: list[tuple[str, bool]]
) -> None:
    assert findings(replace(samples.healthy(), closed=closed)) == [Finding(*one) for one in said]


def test_nothing_wrong_is_nothing() -> None:
    assert findings(samples.healthy()) == []


def test_limits_that_nobody_knows_are_left_out() -> None:
    bare = replace(samples.healthy(), own=Bounds(replace(samples.LIMITS, values={}, ephemeral_ports=None)))

    assert [one.name for one in usages(bare)] == ["Accept queue of port 443", "Accept queue of port 8080"]


def test_who_has_none_left_first_is_said_first() -> None:
    late, soon = (
        samples.holder()._replace(whose=Whose(WEB.cgroup, name), seconds_left=left)
        for name, left in (("late", 9e3), ("soon", 9))
    )

    first, second = findings(replace(samples.healthy(), holders=[late, soon]))

    assert ("(soon)" in first.text, "(late)" in second.text) == (True, True)


def test_what_is_wrong_in_another_namespace_is_said_with_its_name() -> None:
    quiet = samples.healthy()
    host = replace(samples.stuck(), watched={}, owners={}, holdings=(), listed=())
    found = nodes.census()
    theirs = {row: of for row, of in found.stuck.watched.items() if row.netns}
    owners = {owner: number for owner, number in (found.stuck.owners or {}).items() if owner.row.netns}
    stuck = replace(host, watched=theirs, owners=owners)
    holders = [one for one in found.holders if one.whose.netns]

    said = findings(
        replace(quiet, stuck=stuck, holders=holders, accept_queues=found.accept_queues, elsewhere=found.elsewhere)
    )

    assert [one.text for one in said] == [
        f"0123456789ab (java) of {nodes.POD.name} has 60 of 64 descriptors open (pid 815).",
        (
            f"5 sockets on port 8080 of {nodes.POD.name} are stuck in CLOSE_WAIT and the process does not close them;"
            " held by 0123456789ab (java) for up to 2 min 30 s; java has 60 of 64 descriptors open."
        ),
        (
            "1 socket on ports of other network namespaces is stuck in CLOSE_WAIT and the process does not close it;"
            " for up to 2 min 10 s."
        ),
        f"Accept queue of port 8080 of {nodes.POD.name}: 110 of 128 in use.",
    ]


def test_the_descriptors_are_those_of_the_holder_in_that_namespace() -> None:
    """A sidecar has the same name in every pod."""
    elsewhere = samples.holder()._replace(whose=WEB._replace(netns=nodes.POD.name), descriptors=Descriptors(1, 1024))

    [found] = findings(replace(samples.census(), holders=[elsewhere, samples.holder()]))

    assert "nginx has 341 of 1,024 descriptors open" in found.text


def test_closed_sockets_are_said_with_the_namespace_of_who_holds_them() -> None:
    closed = Closed({WEB._replace(netns="shop/web"): 12})

    [found] = findings(replace(samples.healthy(), closed=closed))

    assert f"{OVER} nginx.service (nginx) of shop/web still holds them" in found.text


def test_each_namespace_has_limits_of_its_own_which_count_only_its_own_sockets() -> None:
    used = {usage.name: (usage.used, usage.limit) for usage in usages(nodes.census())}
    theirs = {
        f"TIME_WAIT sockets of {nodes.POD.name}": (3, 131072),
        f"Ephemeral ports of {nodes.POD.name} to one destination": (2, 28232),
        f"Ephemeral ports of {nodes.POD.name} on one local address": (3, 28232),
        f"Accept queue of port 8080 of {nodes.POD.name}": (110, 128),
        "Accept queue of ports of other network namespaces": (1, 128),
    }
    ours = {usage.name: (usage.used, usage.limit) for usage in usages(samples.census())}

    assert used == ours | theirs
