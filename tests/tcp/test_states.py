from collections import Counter

import pytest

from exporter.tcp.states import _FACTS, COUNTED, SILENT, STUCK_AFTER, WATCHED, Kind, State


def test_each_state_has_its_facts() -> None:
    assert set(_FACTS) == set(State)


@pytest.mark.parametrize(
    ("state", "facts"),
    [
        (State.ESTABLISHED, (Kind.COUNTED, 0.0, False)),
        (State.SYN_SENT, (Kind.WATCHED, 60.0, False)),
        (State.SYN_RECV, (Kind.WATCHED, 60.0, False)),
        (State.FIN_WAIT1, (Kind.WATCHED, 120.0, False)),
        (State.FIN_WAIT2, (Kind.WATCHED, 120.0, True)),
        (State.TIME_WAIT, (Kind.COUNTED, 0.0, False)),
        (State.CLOSE, (Kind.COUNTED, 0.0, False)),
        (State.CLOSE_WAIT, (Kind.WATCHED, 120.0, True)),
        (State.LAST_ACK, (Kind.WATCHED, 120.0, False)),
        (State.LISTEN, (Kind.LISTENING, 0.0, False)),
        (State.CLOSING, (Kind.WATCHED, 120.0, False)),
    ],
)
def test_of_a_state_is_known_what_is_done_with_it_when_it_is_stuck_and_what_silence_tells(
    state: State, facts: tuple[Kind, float, bool]
) -> None:
    assert _FACTS[state] == facts


def test_each_state_is_counted_or_watched_or_listens() -> None:
    assert Counter([*COUNTED, *WATCHED, State.LISTEN]) == Counter(State)


def test_every_watched_state_and_no_other_has_a_threshold() -> None:
    assert set(STUCK_AFTER) == set(WATCHED)
    assert all(seconds > 0 for seconds in STUCK_AFTER.values())


def test_silence_tells_something_of_watched_states_only() -> None:
    """It is the age of a socket that is looked at by itself."""
    assert set(SILENT) < set(WATCHED)
    assert set(SILENT) == {State.FIN_WAIT2, State.CLOSE_WAIT}


def test_states_have_the_numbers_and_names_that_the_kernel_and_node_exporter_use() -> None:
    assert {state.label: int(state) for state in State} == {
        "established": 1,
        "syn_sent": 2,
        "syn_recv": 3,
        "fin_wait1": 4,
        "fin_wait2": 5,
        "time_wait": 6,
        "close": 7,
        "close_wait": 8,
        "last_ack": 9,
        "listen": 10,
        "closing": 11,
    }
