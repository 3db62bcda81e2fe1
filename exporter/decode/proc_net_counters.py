"""Counters of /proc/net/snmp, /proc/net/netstat and /proc/net/sockstat, and port lists of /proc/sys.

snmp and netstat come in pairs of lines, names above values:      sockstat has name and value by turns:

    Tcp: RtoAlgorithm RtoMin ActiveOpens ...                          TCP: inuse 4 orphan 0 tw 12 alloc 6 mem 1
    Tcp: 1 200 3217 ...
"""

from collections.abc import Iterator, Mapping

from exporter.errors import Malformed

Counters = Mapping[tuple[str, str], int]
"""By section and name, for example ``("TcpExt", "TCPTimeWaitOverflow")``."""


def pairs_of_lines(text: str) -> Counters:
    """The counters of snmp or netstat. Raises Malformed."""
    lines = _lines(text)
    if len(lines) % 2:
        raise Malformed(f"/proc/net/snmp: {len(lines)} lines, expected pairs of names and values")
    return dict(counter for pair in zip(lines[::2], lines[1::2], strict=True) for counter in _pair(*pair))


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _pair(names: str, values: str) -> Iterator[tuple[tuple[str, str], int]]:
    section, *names_of = names.split()
    again, *values_of = values.split()
    if section != again or len(names_of) != len(values_of):
        raise Malformed(f"/proc/net/snmp: names {names[:60]!r} do not fit values {values[:60]!r}")
    return zip(((section.rstrip(":"), name) for name in names_of), map(number, values_of), strict=True)


def name_by_value(text: str) -> Counters:
    """The counters of sockstat. Raises Malformed."""
    return dict(counter for line in _lines(text) for counter in _line(line))


def _line(line: str) -> Iterator[tuple[tuple[str, str], int]]:
    section, *words = line.split()
    if len(words) % 2:
        raise Malformed(f"/proc/net/sockstat: expected names with values, found {line[:60]!r}")
    return zip(((section.rstrip(":"), name) for name in words[::2]), map(number, words[1::2]), strict=True)


def port_range(text: str) -> range:
    """ip_local_port_range: two numbers, both inclusive. Raises Malformed."""
    words = text.split()
    if len(words) != 2:
        raise Malformed(f"ip_local_port_range: expected two numbers, found {text[:60]!r}")
    low, high = map(number, words)
    return range(low, high + 1)


def port_list(text: str) -> list[range]:
    """ip_local_reserved_ports: ``8080,9000-9010``, or nothing. Raises Malformed."""
    return [_ports(part) for part in text.strip().split(",") if part]


def _ports(part: str) -> range:
    low, _, high = part.partition("-")
    return range(number(low), number(high or low) + 1)


def number(word: str) -> int:
    """A decimal number. Raises Malformed."""
    try:
        return int(word)
    except ValueError:
        raise Malformed(f"expected a number, found {word[:60]!r}") from None
