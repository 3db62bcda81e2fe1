"""Writing to a pipe that is read when a test wants it to be."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from exporter.logs import writer
from exporter.logs.writer import Writer
from tests.lab.witness import wait_for

PIPE_BYTES = 4096
LINE = "x" * 999 + "\n"


@dataclass(frozen=True)
class Pipe:
    reading: int
    writing: int

    def read(self) -> str:
        return os.read(self.reading, 1 << 20).decode()

    def read_all(self, last: str) -> str:
        """All that is written up to a line that holds *last*."""
        found = ""
        while last not in found:
            found += self.read()
        return found


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe(*os.pipe())
    fcntl.fcntl(made.writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    yield made
    os.close(made.reading)  # which also ends a write that is under way
    time.sleep(0.01)
    os.close(made.writing)


def started(pipe: Pipe) -> Writer:
    made = Writer(pipe.writing)
    threading.Thread(target=made.run, daemon=True).start()
    return made


def test_lines_are_written_in_their_order(pipe: Pipe) -> None:
    found = started(pipe)
    found.put("one\n")
    found.put("two\n")
    found.flush(5)

    assert pipe.read() == "one\ntwo\n"


def test_nobody_waits_for_a_pipe_that_nobody_reads(pipe: Pipe) -> None:
    found = started(pipe)
    begun = time.monotonic()
    for _ in range(10_000):
        found.put(LINE)
    found.flush(0.1)

    assert time.monotonic() - begun < 5
    assert found._waiting <= writer.MAX_BYTES


def test_what_did_not_fit_is_told_in_one_line_when_there_is_place_again(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = started(pipe)
    monkeypatch.setattr(writer.log, "warning", lambda text, *values: found.put(text % values + "\n"))
    fit = writer.MAX_BYTES // len(LINE)
    for _ in range(fit + 7):
        found.put(LINE)
    read = pipe.read_all("lost").splitlines()
    found.put("and on\n")

    lost = [line for line in read if "lost" in line]
    assert len(lost) == 1
    number = int(lost[0].split()[0])
    assert len([line for line in read if line.startswith("x")]) + number <= fit + 7
    assert number >= 1
    assert pipe.read_all("and on").count("lost") == 0


def test_a_reader_that_has_gone_ends_nothing(pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, pipe.reading)
    os.close(null)
    found = started(pipe)
    with caplog.at_level(logging.DEBUG):
        found.put("one\n")
        found.put("two\n")
        found.flush(5)

    assert not found._lines
    assert caplog.messages == []


def test_a_pipe_that_somebody_has_made_non_blocking_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    found = started(pipe)
    for _ in range(10):
        found.put(LINE)
    found.put("end\n")

    assert pipe.read_all("end").count("x") == 10 * 999
    wait_for(lambda: not found._lines, "all is written")
