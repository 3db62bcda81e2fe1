from dataclasses import replace

import pytest

from exporter.count.census import AcceptQueue, Census
from exporter.count.stuck import WatchedCount
from exporter.show.findings import findings, usages
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from exporter.tcp.verdicts import ACCEPT, CLOSE, FIN_TIMEOUT, KEEPALIVE, NOTHING, READ
from tests.show import samples

HTTP = samples.row("server", "8080")


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


def test_nothing_wrong_is_nothing() -> None:
    assert findings(samples.healthy()) == []


def test_limits_that_nobody_knows_are_left_out() -> None:
    bare = replace(samples.healthy(), limits=replace(samples.LIMITS, values={}, ephemeral_ports=None))

    assert [one.name for one in usages(bare)] == ["Accept queue of port 443", "Accept queue of port 8080"]
