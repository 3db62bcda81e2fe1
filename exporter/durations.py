"""Durations as Prometheus writes them: ``5s``, ``1m30s``, ``500ms``."""

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?", re.ASCII)


def seconds(text: str) -> float:
    """The duration *text* in seconds. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(text)
    parts = zip(match.groups(default="0"), _UNITS.values(), strict=True)
    return sum(int(number) * unit for number, unit in parts)
