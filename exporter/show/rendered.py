"""What is made of a report for those who ask: rendered once for each report and question, however many ask."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from exporter.count.report import Report

KEPT = 6
"""Answers kept of a report, the latest ones: anybody may ask any question, and an answer can have 400 kB."""

Question = TypeVar("Question", bound=Hashable)
Render = Callable[[Question, Report, float], bytes]
"""Gives the answer to a question by a report, at a time on the monotonic clock."""


@dataclass(frozen=True)
class _Edition(Generic[Question]):
    """A report, and what has been made of it."""

    report: Report
    answers: dict[tuple[Question, bool], bytes] = field(default_factory=dict)
    """By question, and whether the report was stale when it was asked: then it has something else to say."""

    def keep(self, key: tuple[Question, bool], answer: bytes) -> None:
        if len(self.answers) >= KEPT:
            del self.answers[next(iter(self.answers))]
        self.answers[key] = answer


class Rendered(Generic[Question]):
    """Answers to one kind of questions, by the latest report, at the time that *clock* gives.

    Who asks for what is ready neither waits nor blocks; who asks for what is being rendered waits for that, and does
    not render it once more. What *render* raises goes to whoever asked, and the next one tries again.
    """

    def __init__(self, render: Render[Question], clock: Callable[[], float]) -> None:
        self._render, self._clock = render, clock
        self._edition: _Edition[Question] | None = None
        self._lock = Lock()
        """Held while something is rendered."""

    def publish(self, report: Report, ahead: Iterable[Question] = ()) -> None:
        """Go by *report* from now on.

        The questions *ahead*, at most KEPT, are answered first, and the report before is told until then: nobody waits.
        """
        now, edition = self._clock(), _Edition[Question](report)
        with self._lock:
            for question in ahead:
                edition.keep((question, report.is_stale(now)), self._render(question, report, now))
            self._edition = edition

    def ready(self, question: Question) -> bytes | None:
        """The answer if it has been rendered; does not block."""
        edition = self._latest()
        return edition.answers.get((question, edition.report.is_stale(self._clock())))

    def render(self, question: Question) -> bytes:
        """The answer, rendered now unless it has been; may take some milliseconds."""
        with self._lock:
            edition, now = self._latest(), self._clock()
            key = question, edition.report.is_stale(now)
            if key not in edition.answers:
                edition.keep(key, self._render(question, edition.report, now))
            return edition.answers[key]

    def _latest(self) -> _Edition[Question]:
        assert self._edition is not None, "nothing is asked before the first report"  # noqa: S101
        return self._edition
