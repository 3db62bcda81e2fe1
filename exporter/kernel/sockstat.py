"""How many sockets of the host are in no table: allocated (``alloc``, of the whole host) and not in use anywhere.

    /proc/PID/net/sockstat     TCP: inuse 2 orphan 0 tw 300 alloc 302 mem 67
    /proc/PID/net/sockstat6    TCP6: inuse 0

``inuse`` is of the network namespace of the process, for each family: what is in the tables of listening and connected
sockets, but for the small sockets of TIME_WAIT and SYN_RECV, which are not allocated as sockets either
(sock_prot_inuse_add in net/ipv4/inet_hashtables.c). What is left of ``alloc`` is in state CLOSE: new, or over. So it is
known where the processes of all namespaces are to be seen.
"""

from collections.abc import Mapping
from pathlib import Path

from exporter.decode import proc_net_counters
from exporter.errors import Malformed
from exporter.kernel import processes

FRESH_SECONDS = 10.0
"""For which the number is told before it is read again."""
NAMESPACES_SECONDS = 30.0
"""After which all processes are asked again for their namespaces."""
NAMESPACES = 1000
"""At most, that it is read of."""

_TABLES = (("sockstat", "TCP"), ("sockstat6", "TCP6"))


class ClosedSockets:
    """Counts those of all network namespaces that have a process below *proc*."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._pids: Mapping[int, int] = {}
        """A process in each namespace."""
        self._number: int | None = None
        self._stale_at, self._namespaces_stale_at = 0.0, 0.0

    def count(self, now: float) -> int | None:
        """How many there are, or None where that cannot be known; *now* is in seconds, on a monotonic clock."""
        if now >= self._stale_at:
            self._stale_at = now + FRESH_SECONDS
            number = None if now >= self._namespaces_stale_at else self._counted()
            self._number = self._found(now) if number is None else number
        return self._number

    def _found(self, now: float) -> int | None:
        """Of namespaces that are sought anew: perhaps a process has ended by which one was known."""
        self._namespaces_stale_at = now + NAMESPACES_SECONDS
        self._pids = self._find_namespaces()
        return self._counted()

    def _counted(self) -> int | None:
        try:
            return self._read() if self._pids else None
        except (OSError, Malformed):
            return None

    def _find_namespaces(self) -> Mapping[int, int]:
        """None where some processes are hidden: by a PID namespace, or the mount option hidepid."""
        pids = processes.pids(self._proc)
        if processes.INIT not in pids or processes.is_in_namespace(self._proc):
            return {}
        found: dict[int, int] = {}
        for pid in pids:
            try:
                found.setdefault(processes.network(self._proc, pid), pid)
            except (FileNotFoundError, ProcessLookupError):  # it has ended
                continue
            except OSError:
                return {}
        return found if len(found) <= NAMESPACES else {}

    def _read(self) -> int:
        """Raises OSError and Malformed."""
        allocated = self._value("self", "sockstat", "TCP", "alloc")
        in_use = sum(self._value(pid, *table, "inuse") for pid in self._pids.values() for table in _TABLES)
        return max(0, allocated - in_use)

    def _value(self, pid: int | str, file: str, section: str, name: str) -> int:
        try:
            text = (self._proc / str(pid) / "net" / file).read_text("ascii", "replace")
        except FileNotFoundError:
            if (self._proc / "self" / "net" / file).exists():
                raise
            return 0  # a kernel without IPv6
        found = proc_net_counters.name_by_value(text, section, [name])
        if name not in found:
            raise Malformed(f"{file}: no {name} of {section}")
        return found[name]
