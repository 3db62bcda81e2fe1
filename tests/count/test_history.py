from exporter.count.history import HOUR, STEP, History
from exporter.tcp.states import State


def add(history: History, *samples: tuple[float, int]) -> list[tuple[float, int]]:
    """Points of ESTABLISHED after samples, given by time and number."""
    for time, sockets in samples:
        history.add(time, dict.fromkeys(State, sockets))
    return [(point.time, point.sockets[State.ESTABLISHED]) for point in history.points]


def test_samples_within_a_step_are_one_point_of_the_most_that_was_seen() -> None:
    assert add(History(), (100, 5), (105, 9), (109, 2), (110, 1)) == [(100, 9), (110, 1)]


def test_there_is_an_hour_and_no_more() -> None:
    found = add(History(), *((float(time), 1) for time in range(0, 3 * 3600, 5)))

    assert len(found) <= HOUR / STEP + 1
    assert found[-1][0] - found[0][0] <= HOUR


def test_whoever_reads_has_a_value_that_does_not_change() -> None:
    history = History()
    before = history.points
    add(history, (0, 1))

    assert before == ()
