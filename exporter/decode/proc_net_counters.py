"""Counters of /proc/net/snmp, /proc/net/netstat and /proc/net/sockstat (net/ipv4/proc.c).

snmp and netstat come in pairs of lines, names above values:      sockstat has name and value by turns:

    Tcp: RtoAlgorithm RtoMin ActiveOpens ...                          TCP: inuse 4 orphan 0 tw 12 alloc 6 mem 1
    Tcp: 1 200 3217 ...

A section is what stands before the colon. The files have some 300 counters, of which a handful is wanted, so only the
lines of one section are looked into, and only the wanted values are made numbers.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from exporter.errors import Malformed

_LARGEST = (1 << 64) - 1

Counters = Mapping[str, int]
"""By the kernel's name, for example ``TCPTimeWaitOverflow``."""


def pairs_of_lines(text: str, section: str, wanted: Collection[str]) -> Counters:
    """The *wanted* counters of a *section* of snmp or netstat, as far as this kernel has them. Raises Malformed."""
    lines = _lines(text, section)
    return _counters(section, _joined(lines[::2]), _joined(lines[1::2]), wanted)


def name_by_value(text: str, section: str, wanted: Collection[str]) -> Counters:
    """The *wanted* counters of a *section* of sockstat, as far as this kernel has them. Raises Malformed."""
    words = _joined(_lines(text, section))
    return _counters(section, words[::2], words[1::2], wanted)


def _lines(text: str, section: str) -> Sequence[Sequence[str]]:
    """The words of the lines of *section*, without its name."""
    return [line.split()[1:] for line in text.splitlines() if line.startswith(f"{section}:")]


def _joined(lines: Sequence[Sequence[str]]) -> Sequence[str]:
    return list(chain.from_iterable(lines))


def _counters(section: str, names: Sequence[str], values: Sequence[str], wanted: Collection[str]) -> Counters:
    if len(names) != len(values):
        raise Malformed(f"{section} has {len(names)} names and {len(values)} values")
    found = dict(zip(names, values, strict=True))
    return {name: _number(found[name], f"{section} {name}") for name in wanted if name in found}


def _number(word: str, name: str) -> int:
    try:
        number = int(word)
    except ValueError:
        number = _LARGEST + 1
    if abs(number) > _LARGEST:
        raise Malformed(f"expected a number for {name}, found {word[:60]!r}")
    return number
