from exporter.logs.seldom import AT_ONCE, REST_SECONDS
from exporter.sampling.outcomes import Failure, Outcomes

SLOW, ODD = Failure("timeout", "slow"), Failure("malformed", "odd")


def test_nothing_is_said_while_all_is_well() -> None:
    outcomes = Outcomes()

    assert [outcomes.line(None, float(now)) for now in range(100)] == [None] * 100


def test_a_failure_is_told_when_it_begins_when_its_reason_changes_and_when_it_ends() -> None:
    outcomes = Outcomes()

    assert [outcomes.line(one, 0.0) for one in (SLOW, SLOW, ODD, ODD, None, None)] == [
        "samples fail, reason timeout: slow",
        None,
        "samples fail, reason malformed: odd",
        None,
        "samples succeed again",
        None,
    ]


def test_the_end_of_many_changes_is_told_when_its_time_has_come() -> None:
    """Else the last line of the log would be a lie for as long as all is well."""
    outcomes = Outcomes()
    told = [outcomes.line(one, 0.0) for one in (SLOW, None) * AT_ONCE]
    later = [outcomes.line(None, now) for now in (1.0, REST_SECONDS - 1, REST_SECONDS, REST_SECONDS + 1)]

    assert [line is not None for line in told] == [True] * AT_ONCE + [False] * AT_ONCE
    assert later == [None, None, f"samples succeed again, after {AT_ONCE - 1} changes that are not told", None]
