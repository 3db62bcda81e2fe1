"""The table of ``--once``: ports down, what is stuck and the states across, totals below."""

from collections.abc import Iterator, Mapping, Sequence

from exporter.count.census import Census
from exporter.show.rows import absent, idle, left_out, present, rows, stuck_sockets
from exporter.show.stuck_tables import NETNS
from exporter.show.text_columns import aligned
from exporter.show.words import foreign_rows, idle_listeners, namespace, shortened
from exporter.tcp.sockets import Row
from exporter.tcp.states import State

WIDTH = 80
"""Columns of the narrowest terminal."""

# Words are stacked so that all states fit beside each other into WIDTH.
_HEADINGS: Mapping[State, tuple[str, str]] = {
    State.ESTABLISHED: ("estab-", "lished"),
    State.SYN_SENT: ("syn", "sent"),
    State.SYN_RECV: ("syn", "recv"),
    State.FIN_WAIT1: ("fin", "wait1"),
    State.FIN_WAIT2: ("fin", "wait2"),
    State.TIME_WAIT: ("time", "wait"),
    State.CLOSE: ("", "close"),
    State.CLOSE_WAIT: ("close", "wait"),
    State.LAST_ACK: ("last", "ack"),
    State.LISTEN: ("lis-", "ten"),
    State.CLOSING: ("clos-", "ing"),
}


def render(census: Census, *, color: bool = False) -> str:
    """The table, with a line below it that names the states that no socket is in."""
    *lines, total = _fitting([list(line) for line in _lines(census, present(census))])
    unlisted = filter(None, [foreign_rows(left_out(census)), idle_listeners(idle(census))])
    if color:
        lines = [*map(_bold, lines[:2]), *map(_dim_zeros, lines[2:])]
        total = _bold(total)
    others = " ".join(state.label for state in absent(census))
    return "\n".join([*lines, *unlisted, total, "", f"none in: {others}", ""])


def _fitting(lines: Sequence[Sequence[str]]) -> list[str]:
    """Aligned; where numbers are too long for a terminal, the totals on the right give way."""
    numbers = [place for place, heading in enumerate(lines[1]) if heading not in {"role", NETNS}]
    whole = aligned(lines, numbers)
    return whole if max(map(len, whole)) <= WIDTH else aligned([line[:-1] for line in lines], numbers)


def _lines(census: Census, states: Sequence[State]) -> Iterator[Sequence[str]]:
    headings, shown = [_HEADINGS[state] for state in states], rows(census)
    netns = [NETNS] if any(row.netns for row in shown) else []
    yield ("", "", *("" for _ in netns), "", *(first for first, _ in headings), "")
    yield ("role", "port", *netns, "stuck", *(second for _, second in headings), "total")
    for row in shown:
        name = [shortened(namespace(row.netns)) for _ in netns]
        yield (row.role, row.port, *name, *_numbers(_counts(census, row, states)))
    totals = [census.total(state) for state in states]
    yield ("total", "", *("" for _ in netns), *_numbers([census.stuck.total, *totals, sum(totals)]))


def _counts(census: Census, row: Row, states: Sequence[State]) -> Sequence[int]:
    counts = census.sockets[row]
    return [stuck_sockets(census, row), *(counts[state] for state in states), sum(counts.values())]


def _numbers(numbers: Sequence[int]) -> list[str]:
    """Zeros are dots: what there is stands out."""
    return [str(number) if number else "." for number in numbers]


def _bold(line: str) -> str:
    return f"\x1b[1m{line}\x1b[0m"


def _dim_zeros(line: str) -> str:
    return line.replace(" .", " \x1b[2m.\x1b[0m")
