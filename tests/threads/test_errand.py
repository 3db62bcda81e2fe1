import threading
import time
from itertools import pairwise

import pytest

from exporter.threads.errand import Errand
from tests.lab.witness import wait_for


class Work:
    """Waits until it is let go, each time."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = threading.Semaphore(0)
        self.error: BaseException | None = None

    def __call__(self) -> None:
        self.begun += 1
        self.go_on.acquire(timeout=10)
        if self.error:
            raise self.error


def test_many_who_ask_while_it_is_done_share_the_next_time() -> None:
    work = Work()
    errand = Errand("shared", work, rest=0)
    first = errand.ask()
    wait_for(lambda: work.begun == 1, "the first time has begun")

    others = [errand.ask() for _ in range(1000)]
    work.go_on.release(2)
    for one in (first, *others):
        one.result(5)

    assert work.begun == 2
    assert len(set(others)) == 1


def test_what_they_get_was_begun_after_they_asked() -> None:
    text = "old"
    found: list[str] = []

    def read() -> None:
        found.append(text)
        time.sleep(0.01)

    errand = Errand("fresh", read, rest=0)
    for number in range(50):
        errand.ask()
        text = str(number)
        errand.ask().result(5)
        assert found[-1] == text


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(1)])
def test_one_that_fails_says_so_to_who_asked_and_is_followed_by_others(error: BaseException) -> None:
    work = Work()
    errand = Errand("failing", work, rest=0)
    work.go_on.release(2)
    work.error = error
    failed = errand.ask()

    assert failed.exception(5) is error
    work.error = None
    assert errand.ask().exception(5) is None


def test_nobody_can_cancel_what_others_want_too() -> None:
    work = Work()
    asked = Errand("wanted", work, rest=0).ask()

    assert not asked.cancel()
    work.go_on.release()
    assert asked.result(5) is None


def test_it_rests_between_two_times() -> None:
    times: list[float] = []
    errand = Errand("resting", lambda: times.append(time.monotonic()), rest=0.2)
    for _ in range(3):
        errand.ask().result(5)

    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.2
