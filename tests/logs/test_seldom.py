from operator import sub

from exporter.logs.seldom import AT_ONCE, REST_SECONDS, Credit, Seldom


def test_a_few_lines_are_told_as_they_come_and_then_one_in_a_while() -> None:
    credit = Credit()
    told = [now for now in range(1000) if credit.spend(float(now))]

    assert told[:AT_ONCE] == [0, 1, 2, 3]
    assert set(map(sub, told[AT_ONCE + 1 :], told[AT_ONCE:])) == {REST_SECONDS}


def test_after_a_rest_a_few_are_told_at_once_again() -> None:
    credit = Credit()
    for now in (0.0, AT_ONCE * REST_SECONDS):
        assert [credit.spend(now) for _ in range(AT_ONCE + 2)] == [True] * AT_ONCE + [False] * 2


def test_the_next_line_says_how_many_were_passed_over() -> None:
    seldom = Seldom()
    told = [seldom.line("again", 0.0) for _ in range(AT_ONCE + 3)]

    assert told == ["again"] * AT_ONCE + [None] * 3
    assert seldom.line("again", REST_SECONDS) == "again, after 3 lines like it that are not told"
    assert seldom.line("again", 2 * REST_SECONDS) == "again"
