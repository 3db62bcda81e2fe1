"""The release of a Linux kernel, as uname(2) tells it: ``6.12.117+deb13-amd64``."""

import re

_NUMBERS = re.compile(r"(\d{1,9})\.(\d{1,9})")

Release = tuple[int, int]


def release(text: str) -> Release:
    """Its first two numbers, to be compared; zeros if these are not there."""
    found = _NUMBERS.match(text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
