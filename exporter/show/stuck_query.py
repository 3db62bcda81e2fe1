"""The parameters of ``/api/v1/stuck``: from text to a query, or what is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from exporter.show.stuck_list import MOST, Grouping, Query
from exporter.tcp.naming import LONGEST
from exporter.tcp.states import WATCHED, State

Value = TypeVar("Value")

MOST_LETTERS = LONGEST + 20
"""Of the name of a network namespace, with a number behind it where another has the same."""

_STATES: Mapping[str, State] = {state.label: state for state in WATCHED}
_GROUPINGS: Mapping[str, Grouping] = {"holder": "holder"}


class BadQueryError(ValueError):
    """The message says which parameter is wrong, and what was expected."""


def parse(parameters: Mapping[str, Sequence[str]]) -> Query:
    """The query of a URL, each parameter with all its values. Raises BadQueryError."""
    unknown = parameters.keys() - _PARAMETERS.keys()
    if unknown:
        raise BadQueryError(f"unknown parameter {min(unknown)!r}, expected {', '.join(_PARAMETERS)}")
    twice = [name for name, values in parameters.items() if len(values) > 1]
    if twice:
        raise BadQueryError(f"{twice[0]}: expected once, found {len(parameters[twice[0]])} times")
    return Query(**{name: _PARAMETERS[name](name, values[0]) for name, values in parameters.items()})


def _word(known: Mapping[str, Value]) -> Callable[[str, str], Value]:
    expected = f"one of {', '.join(known)}" if len(known) > 1 else ", ".join(known)

    def convert(name: str, text: str) -> Value:
        if text not in known:
            raise BadQueryError(f"{name}: expected {expected}, found {text[:60]!r}")
        return known[text]

    return convert


def _number(most: int) -> Callable[[str, str], int]:
    def convert(name: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most):
            raise BadQueryError(f"{name}: expected a number from 1 to {most}, found {text[:60]!r}")
        return int(text)

    return convert


def _namespace(name: str, text: str) -> str:
    """One that nobody has is no fault of who asks: it may have gone."""
    if len(text) > MOST_LETTERS or not text.isprintable():
        expected = f"the name of a network namespace, at most {MOST_LETTERS} letters, or nothing for the exporter's own"
        raise BadQueryError(f"{name}: expected {expected}, found {text[:60]!r}")
    return text


_PARAMETERS: Mapping[str, Callable[[str, str], Any]] = {
    "state": _word(_STATES),
    "port": _number(65535),
    "netns": _namespace,
    "limit": _number(MOST),
    "group": _word(_GROUPINGS),
}
