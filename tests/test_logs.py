import json
import logging
from collections.abc import Iterator

import pytest

from exporter import logs


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before[0], before[1]


def test_a_line_has_the_shape_of_prometheus_own(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "logfmt")
    logging.getLogger("any").warning("odd %s", 'a "word"')

    line = capsys.readouterr().err
    assert line.startswith("time=2")
    assert line.endswith('msg="odd a \\"word\\""\n')
    assert " level=WARN source=test_logs.py:" in line


def test_json_has_the_same_keys(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("any").info("plain")

    found = json.loads(capsys.readouterr().err)
    assert list(found) == ["time", "level", "source", "msg"]
    assert (found["level"], found["msg"]) == ("INFO", "plain")


def test_less_severe_messages_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("error", "logfmt")
    logging.getLogger("any").warning("quiet")

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_one_message_is_one_line_whatever_it_contains(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who can put a line end into a message must not be able to forge the next line."""
    logs.configure("info", style)
    try:
        int("first\nlevel=ERROR msg=forged")
    except ValueError:
        logging.getLogger("any").exception("two\nlines\r\x85\u2028end")

    assert len(capsys.readouterr().err.splitlines()) == 1
