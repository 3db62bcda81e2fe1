"""Values of /proc/sys, as Documentation/networking/ip-sysctl.rst in the kernel's sources describes them."""

from collections.abc import Sequence

from exporter.errors import Malformed

_LAST_PORT = (1 << 16) - 1
_LARGEST = (1 << 64) - 1


def number(text: str) -> int:
    """One decimal number (proc_dointvec in kernel/sysctl.c). Raises Malformed."""
    try:
        found = int(text)
    except ValueError:
        found = _LARGEST + 1
    if abs(found) > _LARGEST:
        raise Malformed(f"expected a number, found {_quoted(text)}")
    return found


def most(text: str) -> int:
    """The last of three numbers: tcp_mem, of which it is what there may be at most. Raises Malformed."""
    words = text.split()
    if len(words) != 3:
        raise Malformed(f"expected three numbers, found {_quoted(text)}")
    return number(words[-1])


def port_range(text: str) -> range:
    """ip_local_port_range: two ports, both of which belong to it. Raises Malformed."""
    words = text.split()
    if len(words) != 2:
        raise Malformed(f"expected two ports, found {_quoted(text)}")
    return _ports(*words)


def port_list(text: str) -> Sequence[range]:
    """ip_local_reserved_ports: ``8080,9000-9010``, or nothing (proc_do_large_bitmap). Raises Malformed."""
    return [_range(part) for part in text.strip().split(",") if part]


def _range(part: str) -> range:
    low, _, high = part.partition("-")
    return _ports(low, high or low)


def _ports(low: str, high: str) -> range:
    first, last = number(low), number(high)
    if not 0 <= first <= last <= _LAST_PORT:
        raise Malformed(f"expected ports from 0 to {_LAST_PORT} in ascending order, found {_quoted(f'{low} {high}')}")
    return range(first, last + 1)


def _quoted(text: str) -> str:
    return repr(text.strip()[:60])
