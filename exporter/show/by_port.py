"""The families that have series for each row, as text that is the same in all formats.

These are the ones with thousands of series, which the client library would take twenty times as long for.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import NamedTuple

from exporter.count.census import Census
from exporter.show.series import PREFIX, of_row
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from exporter.tcp.verdicts import VERDICTS

_Numbers = Iterable[tuple[Row, Mapping[str, float]]]
"""For each row a number for each value of the family's own label."""

_LABELS = {state: state.label for state in State}

_ROWS = 8192
"""Whose labels are remembered: by default 250 network namespaces have up to 22 each, and our own has 202."""


class _Family(NamedTuple):
    """A family of gauges."""

    name: str
    help_text: str
    label: str
    """The one it has besides those of the row."""
    read: Callable[[Census], _Numbers]


def families(census: Census) -> Iterator[str]:
    """Each as its lines; one that the source knows nothing of is left out."""
    for family in _FAMILIES:
        full, series = PREFIX + family.name, _series(family, census)
        if series:
            yield "\n".join([f"# HELP {full} {family.help_text}", f"# TYPE {full} gauge", *series, ""])


def _series(family: _Family, census: Census) -> list[str]:
    series: list[str] = []
    for row, numbers in family.read(census):
        start = f'{PREFIX}{family.name}{{{_labels(row)},{family.label}="'
        series += [f'{start}{value}"}} {number}' for value, number in numbers.items()]
    return series


@lru_cache(maxsize=_ROWS)
def _labels(row: Row) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in of_row(row).items())


def _escaped(value: str) -> str:
    """Ports and roles are words of ours; a network namespace is named by somebody else."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _sockets(census: Census) -> _Numbers:
    for row, counts in census.sockets.items():
        shown = census.shown[row]
        yield row, {_LABELS[state]: number for state, number in counts.items() if state in shown}


def _stuck_sockets(census: Census) -> _Numbers:
    after = census.stuck.after
    for row, by_state in census.stuck.watched.items():
        shown = census.shown[row]
        told = {_LABELS[state]: count.stuck for state, count in by_state.items() if state in shown and state in after}
        yield row, told


def _oldest_ages(census: Census) -> _Numbers:
    for row, by_state in census.stuck.watched.items():
        shown = census.shown[row]
        ages = {_LABELS[state]: count.oldest_age for state, count in by_state.items() if state in shown}
        # Most are 0, and round() would take longer than all else that is done here.
        yield row, {label: round(age, 3) if age else age for label, age in ages.items()}


def _by_verdict(state: State, census: Census) -> _Numbers:
    """Of a row that is shown with the state, every word: no sum loses one.

    Other namespaces have only the words that are needed: 200 pods, whose services go through FIN_WAIT2 now and then,
    would have 800 series to say that none of their sockets is in trouble.
    """
    none = {verdict.word: 0 for verdict in VERDICTS[state]}
    watched = census.stuck.watched if census.stuck.tells_verdicts else {}
    for row, by_state in watched.items():
        if state in census.shown[row]:
            words = Counter({} if row.netns else none)
            for verdict, sockets in by_state[state].verdicts.items():
                words[verdict.word] += sockets
            yield row, {word: sockets for word, sockets in words.items() if sockets or not row.netns}


def _of_verdicts(name: str, help_text: str, state: State) -> _Family:
    """A family for the verdicts of *state*, under the label that they bring along."""
    [label] = {verdict.label for verdict in VERDICTS[state]}
    return _Family(name, help_text, label, partial(_by_verdict, state))


_FAMILIES = (
    _Family("sockets", "TCP sockets by state, role of this host and port of the service.", "state", _sockets),
    _Family(
        "stuck_sockets",
        "Sockets in the state for longer than tcpstate_stuck_after_seconds that no timer is about to end.",
        "state",
        _stuck_sockets,
    ),
    _Family(
        "oldest_socket_age_seconds",
        "Time since the oldest socket in the state came into it, 0 where there is none.",
        "state",
        _oldest_ages,
    ),
    _of_verdicts(
        "fin_wait2_sockets",
        "Sockets in FIN_WAIT2 by what can end them: tcp_fin_timeout, keepalive, the transfer that goes on, or nothing.",
        State.FIN_WAIT2,
    ),
    _of_verdicts(
        "close_wait_sockets",
        "Sockets in CLOSE_WAIT by what the process has yet to do: accept, read, end its transfer, or close.",
        State.CLOSE_WAIT,
    ),
)
