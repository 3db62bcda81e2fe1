"""A census as text: the table of ports, who holds the stuck sockets, these one by one, and at the end what is wrong."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from exporter.count.census import Census
from exporter.show import ports_table, stuck_tables
from exporter.show.findings import ALL_WELL, findings
from exporter.show.stuck_tables import NETNS, StuckTable
from exporter.show.text_columns import aligned
from exporter.show.words import shortened

_NUMBERS = frozenset({"stuck", "pid"})
"""Headings of columns that end together."""
_FOR_A_PAGE = frozenset({"descriptors"}), frozenset({"unread", "unsent", "pid"})
"""Headings of what would make lines too long: of holders, and of single sockets."""


def render(census: Census, *, color: bool = False) -> str:
    """All of it, one below the other; what matters most is last, where the eye is when a terminal has scrolled."""
    ports, lists = (
        ports_table.render(census, color=color),
        (stuck_tables.holders(census), stuck_tables.sockets(census.stuck)),
    )
    tables = chain.from_iterable(map(_table, lists, _FOR_A_PAGE))
    return "\n".join([ports, *tables, _verdict(census)])


def _table(table: StuckTable, without: frozenset[str]) -> Iterator[str]:
    if not table.lines:
        return
    headings = [heading for heading in table.lines[0] if heading not in without]
    lines = [headings, *([_cell(line, heading) for heading in headings] for line in table.lines)]
    right = [column for column, heading in enumerate(headings) if heading in _NUMBERS]
    yield "".join(f"{line}\n" for line in [*_caption(table), *aligned(lines, right, gap="  ")])


def _cell(line: Mapping[str, str], heading: str) -> str:
    return shortened(line[heading]) if heading == NETNS else line[heading]


def _caption(table: StuckTable) -> Sequence[str]:
    return [table.caption] if table.caption else []


def _verdict(census: Census) -> str:
    return "\n".join(f"{text}\n" for text in [finding.text for finding in findings(census)] or [ALL_WELL])
