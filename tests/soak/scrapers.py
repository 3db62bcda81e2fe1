"""Somebody who asks for everything, in every format, again and again."""

import http.client
import ssl
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import NamedTuple

from tests.lab.netns import Namespace

SECONDS = 0.5
"""Between two questions."""
QUESTIONS: Sequence[tuple[str, Mapping[str, str]]] = (
    ("/metrics", {}),
    ("/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"}),
    ("/metrics", {"Accept": "text/plain; version=1.0.0; escaping=allow-utf-8", "Accept-Encoding": "gzip"}),
    ("/", {}),
    ("/api/v1/stuck?limit=1000", {}),
    ("/api/v1/stuck?group=holder", {}),
    ("/-/healthy", {}),
    ("/-/ready", {}),
)


class Missed(NamedTuple):
    """A question without a good answer."""

    at: float
    """On the monotonic clock."""
    path: str
    word: str
    """The status, or what went wrong."""


@dataclass
class Scraper:
    """A thread that asks, each time over a connection of its own."""

    place: Namespace
    port: int
    tls: bool = True
    answers: Counter[str] = field(default_factory=Counter)
    """By status, or by what went wrong."""
    missed: list[Missed] = field(default_factory=list)
    slowest: float = 0.0

    def __post_init__(self) -> None:
        self._stopped = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._context = ssl._create_unverified_context()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(20)

    def _run(self) -> None:
        number = 0
        with self.place.entered():
            while not self._stopped.wait(SECONDS):
                self._ask(*QUESTIONS[number % len(QUESTIONS)])
                number += 1

    def _ask(self, path: str, headers: Mapping[str, str]) -> None:
        begun = time.monotonic()
        try:
            word = self._status(path, headers)
        except (OSError, http.client.HTTPException) as error:
            word = type(error).__name__
        self.answers[word] += 1
        if word != "200":
            self.missed.append(Missed(begun, path, word))
        self.slowest = max(self.slowest, time.monotonic() - begun)

    def _status(self, path: str, headers: Mapping[str, str]) -> str:
        client = (
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self._context)
            if self.tls
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        )
        try:
            client.request("GET", path, headers=dict(headers))
            answer = client.getresponse()
            answer.read()
            return str(answer.status)
        finally:
            client.close()
