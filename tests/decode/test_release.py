"""Releases of Linux."""

import pytest

from exporter.decode.release import release


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("6.12.117+deb13-amd64", (6, 12)),
        ("5.4.0-150-generic", (5, 4)),
        ("6.1", (6, 1)),
        ("4.4.0", (4, 4)),
        ("", (0, 0)),
        ("23.1.0", (23, 1)),
        ("unknown", (0, 0)),
        ("9" * 5000, (0, 0)),
    ],
)
def test_the_first_two_numbers_are_told(text: str, numbers: tuple[int, int]) -> None:
    assert release(text) == numbers
