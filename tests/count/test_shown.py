"""Stories of states that come and go, and of what is shown of them; time is a number."""

import pickle
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from exporter.count.shown import SHOWN_SECONDS, Shown
from exporter.tcp.sockets import Row
from exporter.tcp.states import State

WEB, DATABASE = Row("", "server", "443"), Row("", "client", "5432")
OTHERS = Row("", "server", "other")
LISTENING, CLOSING = frozenset({State.LISTEN}), frozenset({State.LISTEN, State.CLOSE_WAIT})


def test_a_port_is_shown_with_the_states_that_it_has_and_other_with_all() -> None:
    assert Shown().follow({WEB: LISTENING, DATABASE: (), OTHERS: ()}, 0.0) == {
        WEB: {State.LISTEN},
        DATABASE: frozenset(),
        OTHERS: set(State),
    }


def test_a_state_that_has_gone_is_shown_for_ten_minutes_and_no_longer() -> None:
    shown = Shown()
    shown.follow({WEB: CLOSING}, 0.0)

    assert shown.follow({WEB: LISTENING}, 5.0) == {WEB: CLOSING}
    assert shown.follow({WEB: LISTENING}, SHOWN_SECONDS) == {WEB: CLOSING}
    assert shown.follow({WEB: LISTENING}, SHOWN_SECONDS + 5.0) == {WEB: LISTENING}


def test_a_state_that_comes_back_is_shown_at_once_and_for_ten_minutes_more() -> None:
    shown = Shown()
    shown.follow({WEB: CLOSING}, 0.0)
    shown.follow({WEB: LISTENING}, SHOWN_SECONDS + 5.0)

    assert shown.follow({WEB: CLOSING}, 1000.0) == {WEB: CLOSING}
    assert shown.follow({WEB: LISTENING}, 1000.0 + SHOWN_SECONDS) == {WEB: CLOSING}


def test_ports_do_not_share_their_states() -> None:
    shown = Shown()
    shown.follow({WEB: CLOSING, DATABASE: ()}, 0.0)

    assert shown.follow({WEB: LISTENING, DATABASE: {State.ESTABLISHED}}, 5.0) == {
        WEB: CLOSING,
        DATABASE: {State.ESTABLISHED},
    }


def test_what_a_port_had_before_it_lost_its_label_is_forgotten() -> None:
    shown = Shown()
    shown.follow({WEB: CLOSING}, 0.0)
    shown.follow({OTHERS: ()}, 5.0)

    assert shown.follow({WEB: LISTENING}, 10.0) == {WEB: LISTENING}


def test_what_is_remembered_does_not_grow_with_the_ports_that_have_been_there() -> None:
    """No more than all states of the rows that have labels now."""
    shown, sizes = Shown(), []
    for now in range(0, 10 * SHOWN_SECONDS, 5):
        first = 10000 + now
        rows = {Row("", "server", str(port)): set(State) for port in range(first, first + 100)}
        found = shown.follow(rows, float(now))
        assert found.keys() == rows.keys()
        sizes.append(len(pickle.dumps(shown)))

    assert max(sizes) < 1.1 * sizes[1]
    shown.follow({}, float(now))
    assert len(pickle.dumps(shown)) < 100


ROWS = st.dictionaries(
    st.sampled_from([WEB, DATABASE, OTHERS]), st.frozensets(st.sampled_from([State.LISTEN, State.TIME_WAIT]))
)
SAMPLES = st.lists(st.tuples(st.sampled_from([1.0, 5.0, 299.0, 300.0, 601.0]), ROWS), max_size=12)


@given(SAMPLES)
def test_a_state_is_shown_if_the_row_has_had_it_lately_and_a_label_ever_since(
    samples: list[tuple[float, Mapping[Row, frozenset[State]]]],
) -> None:
    shown, now, past = Shown(), 0.0, list[tuple[float, Mapping[Row, frozenset[State]]]]()
    for seconds, present in samples:
        now += seconds
        past.append((now, present))

        assert shown.follow(present, now) == {row: expected(past, row) for row in present}


def expected(past: list[tuple[float, Mapping[Row, frozenset[State]]]], row: Row) -> frozenset[State]:
    """By all that ever was."""
    if row == OTHERS:
        return frozenset(State)
    now, found = past[-1][0], frozenset[State]()
    for at, present in reversed(past):
        if row not in present:
            break
        if now - at <= SHOWN_SECONDS:
            found |= present[row]
    return found
