from collections.abc import Callable
from typing import NoReturn

import pytest

from exporter.logs.mistakes import MAX_KINDS, REST_SECONDS, Mistakes


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def here(error: BaseException) -> NoReturn:
    raise error


def elsewhere(error: BaseException) -> NoReturn:
    raise error


def raised(error: BaseException, where: Callable[[BaseException], NoReturn] = here) -> BaseException:
    with pytest.raises(type(error)) as caught:
        where(error)
    return caught.value


def test_how_an_exception_came_about_is_told_once() -> None:
    time = Time()
    mistakes = Mistakes(time)

    first, at_once = mistakes.said(raised(ValueError("odd"))), mistakes.said(raised(ValueError("odd")))
    time.now += REST_SECONDS
    later = mistakes.said(raised(ValueError("even")))

    assert first is not None
    assert "in here" in first["traceback"]
    assert at_once is None
    assert later is not None
    assert (later["error"], later["passed_over"]) == ("ValueError: even", "1")
    assert later["at"].startswith("test_mistakes.py:")


def test_another_type_and_another_place_are_another_kind() -> None:
    mistakes = Mistakes(Time())

    found = [
        mistakes.said(raised(ValueError())),
        mistakes.said(raised(KeyError())),
        mistakes.said(raised(ValueError(), elsewhere)),
    ]

    assert ["traceback" in (one or {}) for one in found] == [True] * 3


def test_what_the_host_does_to_a_program_is_no_mistake_that_a_traceback_explains() -> None:
    mistakes = Mistakes(Time())

    full, memory = mistakes.said(raised(OSError(28, "No space left"))), mistakes.said(raised(MemoryError()))

    assert (full or {}).keys() == (memory or {}).keys() == {"error", "at"}


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert "ValueError" in (Mistakes(Time()).said(ValueError("odd")) or {})["traceback"]


def test_what_is_remembered_is_bounded() -> None:
    mistakes = Mistakes(Time())
    kinds: list[Callable[[], BaseException]] = [
        type(f"Odd{number}", (Exception,), {}) for number in range(MAX_KINDS + 5)
    ]
    for kind in kinds:
        mistakes.said(kind())

    assert len(mistakes._kinds) == MAX_KINDS
    assert mistakes.said(kinds[-1]()) is None
