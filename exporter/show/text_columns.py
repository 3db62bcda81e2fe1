"""Lines of cells, set below each other as text."""

from collections.abc import Container, Sequence


def aligned(lines: Sequence[Sequence[str]], right: Container[int], gap: str = " ") -> list[str]:
    """Each line padded to columns, of which those numbered *right* hold numbers and end together."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [gap.join(_padded(line, widths, right)).rstrip() for line in lines]


def _padded(line: Sequence[str], widths: Sequence[int], right: Container[int]) -> list[str]:
    return [
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
