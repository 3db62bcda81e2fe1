import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from exporter.logs import lines


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.unraisablehook, threading.excepthook
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level, sys.unraisablehook, threading.excepthook = before


def configure(level: str, style: str) -> list[str]:
    """The lines that are logged from now on."""
    found: list[str] = []
    lines.configure(level, style, found.append)
    return found


def test_a_line_has_the_shape_of_prometheus_own() -> None:
    found = configure("info", "logfmt")
    logging.getLogger("any").warning("odd %s", 'a "word"')

    [line] = found
    assert line.startswith("time=2")
    assert line.endswith('msg="odd a \\"word\\""\n')
    assert " level=WARN source=test_lines.py:" in line


def test_json_has_the_same_keys() -> None:
    found = configure("info", "json")
    logging.getLogger("any").info("plain")

    fields = json.loads(found[0])
    assert list(fields) == ["time", "level", "source", "msg"]
    assert (fields["level"], fields["msg"]) == ("INFO", "plain")


def test_less_severe_messages_are_left_out() -> None:
    found = configure("error", "logfmt")
    logging.getLogger("any").warning("quiet")

    assert found == []


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_one_message_is_one_line_whatever_it_contains(style: str) -> None:
    """Who can put a line end into a message must not be able to forge the next line."""
    found = configure("info", style)
    try:
        int("first\nlevel=ERROR msg=forged")
    except ValueError:
        logging.getLogger("any").exception("two\nlines\r\x85\u2028end")

    assert len("".join(found).splitlines()) == 1


def test_what_python_would_print_by_itself_is_a_line_too() -> None:
    """On standard error, which may be full, it would block whoever has caused it."""
    found = configure("info", "logfmt")
    lines.catch_the_rest()

    class Odd:
        def __del__(self) -> None:
            raise ValueError("in a finalizer")

    Odd()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("odd", stacklevel=1)
    thread = threading.Thread(target=lambda: int("in a thread"))
    thread.start()
    thread.join()

    assert ["in a finalizer" in found[0], "odd" in found[1], "in a thread" in found[2]] == [True] * 3
    assert len(found) == 3


def test_an_exception_is_not_told_again_at_once_but_with_the_last_words_of_a_process() -> None:
    found = configure("info", "logfmt")
    for log in (logging.error, logging.error, logging.critical):
        try:
            int("odd")
        except ValueError:
            log("it failed", exc_info=True)

    assert [("traceback=" in line, "error=" in line) for line in found] == [(True, False), (False, True)]
