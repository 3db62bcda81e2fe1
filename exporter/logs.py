"""Log lines on standard error in the shape of Prometheus' own programs: logfmt, or JSON."""

import json
import logging
import sys
from datetime import UTC, datetime

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_NAMES = {number: name.upper() for name, number in LEVELS.items()}


def configure(level: str, style: str) -> None:
    """Send everything from *level* up to standard error, as ``logfmt`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(style))
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)


class _Lines(logging.Formatter):
    """One record, one line: a traceback becomes part of it."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._join = json.dumps if style == "json" else _logfmt

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": _NAMES.get(record.levelno, record.levelname),
            "source": f"{record.filename}:{record.lineno}",
            "msg": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return self._join(fields)


def _logfmt(fields: dict[str, str]) -> str:
    return " ".join(f"{key}={_value(value)}" for key, value in fields.items())


def _value(value: str) -> str:
    """Bare where that is unambiguous, otherwise quoted with escapes, on one line."""
    bare = value and not any(character in ' "=' or not character.isprintable() for character in value)
    return value if bare else json.dumps(value)
