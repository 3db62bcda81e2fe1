"""What is found, as tables in Markdown."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """A part of the output; parts with one title and one head are one table."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def lines(table: Table, before: Table | None) -> Iterable[str]:
    """The table, after the one *before*."""
    if before is None or table[:2] != before[:2]:
        yield from ("", table.title, "", _row(table.head), "|---" * len(table.head) + "|")
    yield from map(_row, table.rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1e3:.1f} ms"


def megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.1f} MB"


def multiple(ratio: float) -> str:
    return f"{ratio:.2f} x"
