from collections.abc import Iterable
from threading import Event, Thread

import pytest

from exporter.count.report import Report
from exporter.show.rendered import KEPT, Rendered
from tests.lab.witness import wait_for
from tests.show import samples


class Library:
    """Answers a question by repeating it, and keeps a list of those that it did; it waits while the gate is closed."""

    def __init__(self) -> None:
        self.now = 1001.0
        self.rendered_questions: list[str] = []
        self.gate = Event()
        self.gate.set()
        self.answers = Rendered(self._render, lambda: self.now)
        self.publish()

    def _render(self, question: str, report: Report, now: float) -> bytes:
        self.rendered_questions.append(question)
        self.gate.wait(10)
        if question == "bad":
            raise ValueError(question)
        return f"{question}, {'stale' if report.is_stale(now) else 'fresh'}".encode()

    def publish(self, ahead: Iterable[str] = ()) -> None:
        self.answers.publish(samples.report(last=samples.sample(self.now)), ahead)


def test_nothing_is_rendered_before_somebody_asks() -> None:
    library = Library()

    assert library.answers.ready("who") is None
    assert library.rendered_questions == []


def test_an_answer_is_rendered_once_for_all_who_ask() -> None:
    library = Library()
    first = library.answers.render("who")

    assert library.answers.render("who") is first
    assert library.answers.ready("who") is first
    assert library.rendered_questions == ["who"]


def test_all_who_ask_meanwhile_share_one_rendering() -> None:
    library = Library()
    answers: list[bytes] = []
    library.gate.clear()
    threads = [Thread(target=lambda: answers.append(library.answers.render("who"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: library.rendered_questions == ["who"], "it is being rendered")

    assert library.answers.ready("who") is None
    library.gate.set()
    for thread in threads:
        thread.join()
    assert answers == [b"who, fresh"] * 8
    assert library.rendered_questions == ["who"]


def test_the_next_report_is_rendered_anew() -> None:
    library = Library()
    library.answers.render("who")

    library.publish()

    assert library.answers.ready("who") is None
    library.answers.render("who")
    assert library.rendered_questions == ["who", "who"]


def test_what_is_expected_is_ready_with_the_report() -> None:
    library = Library()

    library.publish(ahead=["who", "what"])

    assert library.answers.ready("who") == b"who, fresh"
    assert library.answers.ready("what") == b"what, fresh"


def test_while_it_is_rendered_ahead_the_report_before_is_told_to_who_finds_it_ready() -> None:
    library = Library()
    before = library.answers.render("who")
    library.gate.clear()
    publishing = Thread(target=library.publish, args=(["who"],))
    publishing.start()
    wait_for(lambda: library.rendered_questions == ["who", "who"], "the next report is being rendered")

    assert library.answers.ready("who") is before
    library.gate.set()
    publishing.join()
    assert library.answers.ready("who") is not before


def test_while_it_is_rendered_ahead_nobody_else_renders_it() -> None:
    library = Library()
    library.gate.clear()
    publishing = Thread(target=library.publish, args=(["who"],))
    asking = Thread(target=library.answers.render, args=("who",))
    publishing.start()
    wait_for(lambda: library.rendered_questions == ["who"], "it is being rendered ahead")
    asking.start()
    library.gate.set()
    publishing.join()
    asking.join()

    assert library.rendered_questions == ["who"]


def test_a_report_that_gets_stale_is_rendered_once_more_and_only_once() -> None:
    library = Library()
    library.answers.render("who")
    library.now += 100

    assert library.answers.ready("who") is None
    assert library.answers.render("who") == b"who, stale"
    assert library.answers.ready("who") == b"who, stale"
    assert library.answers.render("who") == b"who, stale"
    assert library.rendered_questions == ["who", "who"]


def test_whatever_is_asked_only_the_latest_answers_are_kept() -> None:
    library = Library()
    for number in range(100):
        library.answers.render(str(number))

    assert [number for number in range(100) if library.answers.ready(str(number))] == list(range(100 - KEPT, 100))


def test_a_failure_goes_to_who_asked_and_the_next_one_tries_again() -> None:
    library = Library()
    for _ in range(2):
        with pytest.raises(ValueError, match="bad"):
            library.answers.render("bad")

    assert library.answers.ready("bad") is None
    assert library.answers.render("good") == b"good, fresh"
    assert library.rendered_questions == ["bad", "bad", "good"]
