import threading

import pytest

from exporter.errors import StartError
from exporter.threads.pool import Busy, Pool
from exporter.threads.started import start
from tests.lab.witness import wait_for


def running(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_the_threads_are_there_before_there_is_work() -> None:
    pool = Pool("early", number=3, waiting=1)

    assert running("early") == 3
    pool.close()
    wait_for(lambda: running("early") == 0, "they have ended")


def test_nobody_waits_for_them_at_the_end() -> None:
    pool = Pool("daemons", number=1, waiting=1)

    assert [thread.daemon for thread in threading.enumerate() if thread.name == "daemons"] == [True]
    pool.close()


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(3), MemoryError()])
def test_what_the_work_raises_goes_to_who_asked_and_the_thread_goes_on(error: BaseException) -> None:
    def fail() -> None:
        raise error

    pool = Pool("failing", number=1, waiting=2)

    assert pool.submit(fail).exception(5) is error
    assert pool.submit(lambda: 7).result(5) == 7
    pool.close()


def test_no_more_work_waits_than_may() -> None:
    pool, gate, begun = Pool("full", number=1, waiting=2), threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        gate.wait(10)
        return 7

    first = pool.submit(work)
    assert begun.wait(5)
    waiting = [pool.submit(work) for _ in range(2)]
    with pytest.raises(Busy):
        pool.submit(work)
    gate.set()

    assert [one.result(5) for one in (first, *waiting)] == [7, 7, 7]
    pool.close()


def test_a_pool_that_is_closed_does_what_it_was_given_and_takes_no_more() -> None:
    pool, gate = Pool("closing", number=1, waiting=5), threading.Event()
    first, second = pool.submit(lambda: gate.wait(10)), pool.submit(lambda: 7)
    pool.close()
    with pytest.raises(Busy):
        pool.submit(lambda: 8)
    gate.set()

    assert (first.result(5), second.result(5)) == (True, 7)
    wait_for(lambda: running("closing") == 0, "its thread has ended")


def test_work_that_nobody_wants_any_more_is_not_done() -> None:
    pool, gate, done = Pool("cancelled", number=1, waiting=5), threading.Event(), threading.Event()
    pool.submit(lambda: gate.wait(10))
    unwanted, wanted = pool.submit(done.set), pool.submit(lambda: 7)
    assert unwanted.cancel()
    gate.set()

    assert wanted.result(5) == 7
    assert not done.is_set()
    pool.close()


def test_a_thread_that_cannot_be_had_is_an_error_for_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(StartError, match="no more of them"):
        start("any", lambda: None)
