"""Durations as Prometheus writes them, ``5s``, ``1m30s``, ``500ms``, and as people say them, ``3 h``."""

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


_SPOKEN = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def spoken(duration: float) -> str:
    """*duration*, in seconds, to be read in a sentence: its two largest units, such as ``3 h 10 min``."""
    left, parts = int(duration), []
    for unit, size in _SPOKEN:
        number, left = divmod(left, size)
        parts.append(f"{number} {unit}" if number else "")
    first = next((at for at, part in enumerate(parts) if part), len(parts))
    return " ".join(part for part in parts[first : first + 2] if part) or "0 s"
