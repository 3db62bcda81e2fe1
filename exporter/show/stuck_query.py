"""The stuck sockets one by one, as JSON, for ``/api/v1/stuck``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.tcp.states import WATCHED

USUAL_LIMIT = 100
MOST = 1000
_STATES = tuple(state.label for state in WATCHED)


class BadQueryError(ValueError):
    """The message says which parameter is wrong, and what was expected."""


@dataclass(frozen=True)
class Query:
    """Which stuck sockets are wanted."""

    state: str | None = None
    port: int | None = None
    limit: int = USUAL_LIMIT


def parse(parameters: Mapping[str, Sequence[str]]) -> Query:
    """The query of a URL, each parameter with all its values. Raises BadQueryError."""
    unknown = parameters.keys() - _PARAMETERS.keys()
    if unknown:
        raise BadQueryError(f"unknown parameter {min(unknown)!r}, expected {', '.join(_PARAMETERS)}")
    twice = [name for name, values in parameters.items() if len(values) > 1]
    if twice:
        raise BadQueryError(f"{twice[0]}: expected once, found {len(parameters[twice[0]])} times")
    return Query(**{name: _PARAMETERS[name](name, values[0]) for name, values in parameters.items()})


def _state(name: str, text: str) -> str:
    if text not in _STATES:
        raise BadQueryError(f"{name}: expected one of {', '.join(_STATES)}, found {text[:60]!r}")
    return text


def _number(most: int) -> Callable[[str, str], int]:
    def convert(name: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most):
            raise BadQueryError(f"{name}: expected a number from 1 to {most}, found {text[:60]!r}")
        return int(text)

    return convert


_PARAMETERS: Mapping[str, Callable[[str, str], Any]] = {
    "state": _state,
    "port": _number(65535),
    "limit": _number(MOST),
}
