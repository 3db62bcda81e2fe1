"""The kernel's limits on TCP sockets, and its counters that explain why they pile up.

All of it belongs to this process' network namespace, but for the orphans and the memory of all sockets, which the
kernel counts and bounds for the whole host. No file is kept open: one of /proc/self/net keeps the namespace that it was
opened in alive (seq_open_net in fs/proc/proc_net.c).
"""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from mmap import PAGESIZE
from pathlib import Path
from typing import NamedTuple, TypeVar

from exporter.decode import proc_net_counters, sysctl
from exporter.decode.proc_net_counters import Counters
from exporter.errors import SampleError, Truncated
from exporter.kernel import processes
from exporter.tcp.limits import ELSEWHERE, LimitName, Limits

log = logging.getLogger(__name__)

SYSCTL_SECONDS = 60.0
"""Between two readings of the sysctls, which change when somebody mends the host."""
COUNTERS_SECONDS = 15.0
"""Between two readings of the counters of all other network namespaces: each takes a file."""
MOST_BYTES = 1 << 16
"""Of one file: eight times what netstat can have, and a list of ten thousand reserved ports."""

_SYSCTLS: Mapping[LimitName, tuple[str, Callable[[str], int]]] = {
    "time_wait_limit": ("tcp_max_tw_buckets", sysctl.number),
    "orphan_limit": ("tcp_max_orphans", sysctl.number),
    "memory_limit_bytes": ("tcp_mem", sysctl.most),
    "fin_timeout_seconds": ("tcp_fin_timeout", sysctl.number),
    "keepalive_time_seconds": ("tcp_keepalive_time", sysctl.number),
    "keepalive_interval_seconds": ("tcp_keepalive_intvl", sysctl.number),
    "keepalive_probes": ("tcp_keepalive_probes", sysctl.number),
}
"""Files with one number each that is wanted."""
_IN_PAGES: tuple[LimitName, ...] = ("memory_bytes", "memory_limit_bytes")
"""What the kernel tells as a number of pages."""
_IPV4 = "sys/net/ipv4"
_EPHEMERAL = "ip_local_port_range"
_RESERVED = "ip_local_reserved_ports"
_NONE_RESERVED: Sequence[range] = ()


class _Table(NamedTuple):
    decode: Callable[[str, str, Collection[str]], Counters]
    section: str
    counters: Mapping[LimitName, str]
    """By our name the kernel's."""

    def values(self, text: str) -> dict[str, int]:
        """What *text* says, by our names. Raises Malformed."""
        found = self.decode(text, self.section, self.counters.values())
        return {name: found[counter] for name, counter in self.counters.items() if counter in found}


_TABLES: Mapping[str, _Table] = {
    "netstat": _Table(
        proc_net_counters.pairs_of_lines,
        "TcpExt",
        {
            "time_wait_overflows": "TCPTimeWaitOverflow",
            "aborted_on_timeout": "TCPAbortOnTimeout",
            "aborted_on_memory": "TCPAbortOnMemory",
            "listen_overflows": "ListenOverflows",
            "listen_drops": "ListenDrops",
            "syncookies_sent": "SyncookiesSent",
        },
    ),
    "snmp": _Table(
        proc_net_counters.pairs_of_lines, "Tcp", {"active_opens": "ActiveOpens", "passive_opens": "PassiveOpens"}
    ),
    "sockstat": _Table(proc_net_counters.name_by_value, "TCP", {"orphan_sockets": "orphan", "memory_bytes": "mem"}),
}

_COUNTED: frozenset[LimitName] = frozenset().union(*(table.counters for table in _TABLES.values()))

_ABSENT = (FileNotFoundError, PermissionError, NotADirectoryError)
"""This kernel does not have the file, or hides it: only the first namespace has tcp_max_orphans, a sandbox less."""

Value = TypeVar("Value")


class LimitsReader:
    """Reads what stands below *proc*, and remembers the sysctls, and which files it has complained of.

    Which network namespace that is of is decided by *net* for counters, and by that of the thread for sysctls.
    """

    def __init__(self, proc: Path = Path("/proc"), net: str = "self/net") -> None:
        self._ipv4, self._net = proc / _IPV4, proc / net
        self._sysctls = Limits()
        self._due = -math.inf
        self._faulty: set[Path] = set()

    def read(self, now: float) -> Limits:
        """The counters of this moment, and sysctls that are at most SYSCTL_SECONDS old; *now* is monotonic seconds.

        Raises nothing. What this kernel does not have, or hides, is left out; so is what cannot be read or makes no
        sense, with a warning when that begins.
        """
        if now >= self._due:
            self._due = now + SYSCTL_SECONDS
            self._sysctls = self._read_sysctls()
        values = {**self._sysctls.values, **self.counters(_COUNTED)}
        in_pages = {name: values[name] * PAGESIZE for name in _IN_PAGES if name in values}
        return replace(self._sysctls, values=values | in_pages)

    def read_elsewhere(self, now: float) -> Limits:
        """The same, without what is the host's, or needed by nobody who reads of another namespace."""
        limits = self.read(now)
        return replace(limits, values={name: limits.values[name] for name in ELSEWHERE if name in limits.values})

    def forget(self) -> None:
        """Read the sysctls anew next time."""
        self._due = -math.inf

    def counters(self, names: Collection[LimitName]) -> Mapping[str, int]:
        """The counters by these *names*, of the files that have any."""
        files = {file: table for file, table in _TABLES.items() if not table.counters.keys().isdisjoint(names)}
        found: dict[str, int] = {}
        for file, table in files.items():
            found |= self._read(self._net / file, table.values) or {}
        return {name: value for name, value in found.items() if name in names}

    def _read_sysctls(self) -> Limits:
        numbers = {name: self._read(self._ipv4 / file, decode) for name, (file, decode) in _SYSCTLS.items()}
        values: dict[str, int] = {name: number for name, number in numbers.items() if number is not None}
        ephemeral = self._read(self._ipv4 / _EPHEMERAL, sysctl.port_range)
        if ephemeral is None:
            return Limits(values)
        reserved = self._read(self._ipv4 / _RESERVED, sysctl.port_list, absent=_NONE_RESERVED)
        return Limits(values, ephemeral, None if reserved is None else _unreserved(ephemeral, reserved))

    def _read(self, file: Path, decode: Callable[[str], Value], absent: Value | None = None) -> Value | None:
        """What *file* says; *absent* if there is no such file for us, None if there is no use in what there is."""
        try:
            value = decode(_text(file))
        except _ABSENT:
            return absent
        except (OSError, SampleError) as error:
            self._complain(file, error)
            return None
        self._faulty.discard(file)
        return value

    def _complain(self, file: Path, error: Exception) -> None:
        if file not in self._faulty:
            self._faulty.add(file)
            log.warning("%s cannot be used, what it says is left out: %s", file, error)


class CountersElsewhere:
    """The counters of other network namespaces below *proc*, by way of a process in each: anybody may read them so."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._known: Mapping[int, Mapping[str, int]] = {}
        self._files: dict[tuple[int, int], int] = {}
        """By namespace and process, what tells the namespace from others (see ``processes.network``)."""
        self._due = -math.inf

    def read(self, pids: Mapping[int, int], now: float) -> Mapping[int, Mapping[str, int]]:
        """What is at most COUNTERS_SECONDS old, as *pids* by number of the namespace. Raises nothing."""
        if now >= self._due:
            self._due = now + COUNTERS_SECONDS
            self._files = {both: file for both, file in self._files.items() if pids.get(both[0]) == both[1]}
            self._known = {netns: self._read(netns, pid) for netns, pid in pids.items() if pid}
        return self._known

    def _read(self, netns: int, pid: int) -> Mapping[str, int]:
        """Nothing once another process, which is somewhere else, has the number."""
        try:
            file = processes.network(self._proc, pid)
        except OSError:
            return {}
        if self._files.setdefault((netns, pid), file) != file:
            return {}
        return LimitsReader(self._proc, f"{pid}/net").counters(ELSEWHERE)


def ephemeral(proc: Path = Path("/proc")) -> range | None:
    """The local ports that the kernel may choose for outgoing connections, or None where it does not tell."""
    try:
        return sysctl.port_range(_text(proc / _IPV4 / _EPHEMERAL))
    except (OSError, SampleError):
        return None


def _text(file: Path) -> str:
    """All of *file*. Raises OSError, and Truncated if it has MOST_BYTES or more.

    It has to be one read: where a list of reserved ports is longer than what is asked for, a second read gives nothing,
    as if it had ended there (proc_do_large_bitmap in kernel/sysctl.c).
    """
    with file.open("rb", buffering=0) as opened:
        content = opened.read(MOST_BYTES)
    if len(content) == MOST_BYTES:
        raise Truncated(f"longer than {MOST_BYTES} bytes")
    return content.decode("ascii", errors="replace")


def _unreserved(ports: range, reserved: Iterable[range]) -> int:
    return len(ports) - sum(len(_common(ports, some)) for some in reserved)


def _common(first: range, second: range) -> range:
    return range(max(first.start, second.start), min(first.stop, second.stop))
