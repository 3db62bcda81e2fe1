"""Log lines in the shape of Prometheus' own programs: logfmt, or JSON."""

import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType

from exporter.logs.mistakes import Mistakes

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_NAMES = {number: name.upper() for name, number in LEVELS.items()}

log = logging.getLogger(__name__)


def configure(level: str, style: str, put: Callable[[str], object]) -> None:
    """Give *put* everything from *level* up as lines in ``logfmt`` or ``json``."""
    logging.basicConfig(level=LEVELS[level], handlers=[_Lines(style, put)], force=True)


def catch_the_rest() -> None:
    """Log also what Python would print by itself: on standard error it could block whoever caused it."""
    logging.captureWarnings(True)
    sys.unraisablehook = lambda found: _log_lost(found.exc_type, found.exc_value, found.exc_traceback)
    threading.excepthook = lambda found: _log_lost(found.exc_type, found.exc_value, found.exc_traceback)


def _log_lost(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    log.error("an error that nobody expected", exc_info=(kind, error or kind(), traceback))


class _Lines(logging.Handler):
    """One record, one line: what is said of an exception becomes part of it."""

    def __init__(self, style: str, put: Callable[[str], object]) -> None:
        super().__init__()
        self._join = json.dumps if style == "json" else _logfmt
        self._put = put
        self._mistakes = Mistakes()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        said = self._mistakes.said(error) if error else {}
        if said is None and record.levelno >= logging.CRITICAL:  # the last words of a process
            said = {"error": repr(error)}
        if said is not None:
            self._put(self._join({**_fields(record), **said}) + "\n")


def _fields(record: logging.LogRecord) -> dict[str, str]:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {
        "time": time.replace("+00:00", "Z"),
        "level": _NAMES.get(record.levelno, record.levelname),
        "source": f"{record.filename}:{record.lineno}",
        "msg": record.getMessage(),
    }


def _logfmt(fields: Mapping[str, str]) -> str:
    return " ".join(f"{key}={_value(value)}" for key, value in fields.items())


def _value(value: str) -> str:
    """Bare where that is unambiguous, otherwise quoted with escapes, on one line."""
    bare = value and not any(character in ' "=' or not character.isprintable() for character in value)
    return value if bare else json.dumps(value)
