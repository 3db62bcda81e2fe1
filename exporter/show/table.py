"""A census as text: a table with ports down, states across and totals below; what is wrong; and the stuck sockets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from exporter.count.census import Census
from exporter.count.stuck import StuckSocket
from exporter.durations import spoken
from exporter.show.findings import findings
from exporter.show.rows import absent, present, rows
from exporter.show.words import ending, owner_name
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
    for finding in findings(census):
        yield f"{finding.text}\n"


def _sockets(census: Census) -> Iterator[str]:
    """The oldest stuck sockets, a line each."""
    stuck = census.stuck
    lines = [_socket(socket, stuck.age(socket)) for socket in islice(stuck.sockets(), LISTED)]
    if lines:
        lines.insert(0, ("state", "local", "remote", "age", "how it ends", "held by"))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        yield "".join(f"{line.rstrip()}\n" for line in padded)


def _socket(stuck: StuckSocket, age: float) -> tuple[str, ...]:
    ends = stuck.socket.ends
    words = spoken(age), ending(stuck.verdict), owner_name(stuck.owner)
    return (stuck.socket.state.label, ends.local, ends.remote, *words)


def _ports(census: Census, *, color: bool) -> str:
    """The table, with a line below it that names the states that no socket is in."""
    lines = [list(line) for line in _lines(census, present(census))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [_aligned(line, widths) for line in lines]
    if color:
        aligned = [*map(_bold, aligned[:2]), *map(_dim_zeros, aligned[2:-1]), _bold(aligned[-1])]
    others = " ".join(state.label for state in absent(census))
    return "\n".join([*aligned, "", f"none in: {others}", ""])


def _lines(census: Census, states: Sequence[State]) -> Iterator[Iterable[str]]:
    headings = [_HEADINGS[state] for state in states]
    yield ("", "", *(first for first, _ in headings), "")
    yield ("role", "port", *(second for _, second in headings), "total")
    for row in rows(census):
        counts = census.sockets[row]
        yield (row.role, row.port, *(_number(counts[state]) for state in states), str(sum(counts.values())))
    totals = [census.total(state) for state in states]
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
