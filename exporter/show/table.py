"""A census as text: a table with ports down, states across and totals below; what is wrong; and the stuck sockets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from exporter.count.census import Census
from exporter.durations import spoken
from exporter.show.findings import findings, outlook, owner_name
from exporter.show.rows import PortRow, present, rows
from exporter.tcp.states import State

LISTED = 20
"""Stuck sockets that are shown one by one."""

# Words are stacked so that all states fit beside each other in 80 columns.
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
    State.LISTEN: ("", "listen"),
    State.CLOSING: ("", "closing"),
}


def render(census: Census, *, color: bool = False) -> str:
    """All of it, one below the other."""
    return "\n".join([_ports(census, color=color), *_wrong(census), *_sockets(census)])


def _wrong(census: Census) -> Iterator[str]:
    for one in findings(census):
        yield f"{one.text}\n"


def _sockets(census: Census) -> Iterator[str]:
    """The oldest stuck sockets, a line each."""
    lines = [("state", "local", "remote", "age", "how it ends", "held by")]
    lines += [
        (
            one.state.label,
            one.ends.local,
            one.ends.remote,
            spoken(one.age),
            outlook(one),
            owner_name(one.owner),
        )
        for one in islice(census.stuck.sockets(), LISTED)
    ]
    if len(lines) > 1:
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        yield "".join(f"{line.rstrip()}\n" for line in padded)


def _ports(census: Census, *, color: bool) -> str:
    """The table, with a line below it that names the states that no socket is in."""
    states = present(census)
    lines = [list(line) for line in _lines(rows(census), states)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [_aligned(line, widths) for line in lines]
    if color:
        aligned = [*map(_bold, aligned[:2]), *map(_dim_zeros, aligned[2:-1]), _bold(aligned[-1])]
    absent = " ".join(state.label for state in State if state not in states)
    return "\n".join([*aligned, "", f"none in: {absent}", ""])


def _lines(ports: Sequence[PortRow], states: Sequence[State]) -> Iterator[Iterable[str]]:
    headings = [_HEADINGS[state] for state in states]
    yield ("", "", *(first for first, _ in headings), "")
    yield ("role", "port", *(second for _, second in headings), "total")
    for row in ports:
        yield (row.role, row.port, *(_number(row.counts[state]) for state in states), str(row.total))
    totals = [sum(row.counts[state] for row in ports) for state in states]
    yield ("total", "", *map(str, totals), str(sum(totals)))


def _number(number: int) -> str:
    return str(number) if number else "."


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    role, *numbers = line
    first, *others = widths
    cells = [role.ljust(first), *(cell.rjust(width) for cell, width in zip(numbers, others, strict=True))]
    return " ".join(cells).rstrip()


def _bold(line: str) -> str:
    return f"\x1b[1m{line}\x1b[0m"


def _dim_zeros(line: str) -> str:
    return line.replace(" .", " \x1b[2m.\x1b[0m")
