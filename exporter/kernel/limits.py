"""The kernel's limits on TCP sockets, and its counters that explain why they pile up.

All of it belongs to this process' network namespace, but for the orphans, which the kernel counts and bounds for the
whole host. What this kernel does not have is left out.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from exporter.decode import proc_net_counters
from exporter.decode.proc_net_counters import Counters
from exporter.errors import Malformed, ReadFailed
from exporter.tcp.limits import Limits

# Documentation/networking/ip-sysctl.rst in the kernel's sources. Each is one number.
_SYSCTLS = {
    "time_wait_limit": "tcp_max_tw_buckets",
    "orphan_limit": "tcp_max_orphans",
    "fin_timeout_seconds": "tcp_fin_timeout",
    "keepalive_time_seconds": "tcp_keepalive_time",
    "keepalive_interval_seconds": "tcp_keepalive_intvl",
    "keepalive_probes": "tcp_keepalive_probes",
}

_COUNTERS = {
    "time_wait_overflows": ("TcpExt", "TCPTimeWaitOverflow"),
    "aborted_on_timeout": ("TcpExt", "TCPAbortOnTimeout"),
    "aborted_on_memory": ("TcpExt", "TCPAbortOnMemory"),
    "listen_overflows": ("TcpExt", "ListenOverflows"),
    "listen_drops": ("TcpExt", "ListenDrops"),
    "active_opens": ("Tcp", "ActiveOpens"),
    "passive_opens": ("Tcp", "PassiveOpens"),
    "orphan_sockets": ("TCP", "orphan"),
}

_TABLES: tuple[tuple[str, Callable[[str], Counters]], ...] = (
    ("snmp", proc_net_counters.pairs_of_lines),
    ("netstat", proc_net_counters.pairs_of_lines),
    ("sockstat", proc_net_counters.name_by_value),
)


def read(proc: Path = Path("/proc")) -> Limits:
    """Read the limits and counters below *proc*. Raises ReadFailed or Malformed."""
    sysctls = proc / "sys/net/ipv4"
    counters = _counters(proc / "self/net")
    values = {name: counters[key] for name, key in _COUNTERS.items() if key in counters}
    for name, file in _SYSCTLS.items():
        number = _read(sysctls / file, proc_net_counters.number)
        if number is not None:
            values[name] = number
    ephemeral = _read(sysctls / "ip_local_port_range", proc_net_counters.port_range)
    if ephemeral is None:
        return Limits(values)
    reserved = _read(sysctls / "ip_local_reserved_ports", proc_net_counters.port_list) or []
    return Limits(values, ephemeral, len(ephemeral) - sum(len(_common(ephemeral, ports)) for ports in reserved))


def _counters(net: Path) -> Counters:
    found: dict[tuple[str, str], int] = {}
    for file, decode in _TABLES:
        found.update(_read(net / file, decode) or {})
    return found


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


Value = TypeVar("Value")


def _read(file: Path, decode: Callable[[str], Value]) -> Value | None:
    """What *file* says, or None if this kernel does not have it, or hides it."""
    try:
        return decode(file.read_text(encoding="ascii"))
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ReadFailed(f"cannot read {file}: {error}") from error
    except Malformed as malformed:
        raise Malformed(f"{file}: {malformed}") from malformed
