"""What bounds the states, and the counters that explain a build-up: their names, and what one reading gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

DEFAULT_EPHEMERAL = range(32768, 61000)
"""Linux' ip_local_port_range, for systems that do not tell theirs."""

LimitName = Literal[
    # Sockets and probes, seconds where the name says so.
    "time_wait_limit",
    "orphan_sockets",
    "orphan_limit",
    "memory_bytes",
    "memory_limit_bytes",
    "fin_timeout_seconds",
    "keepalive_time_seconds",
    "keepalive_interval_seconds",
    "keepalive_probes",
    # Events since the network namespace began.
    "time_wait_overflows",
    "aborted_on_timeout",
    "aborted_on_memory",
    "listen_overflows",
    "listen_drops",
    "syncookies_sent",
    "active_opens",
    "passive_opens",
]
"""A limit, what is used of it, or a counter that explains it."""

ELSEWHERE: tuple[LimitName, ...] = ("time_wait_limit", "time_wait_overflows", "listen_overflows", "listen_drops")
"""What is told of other network namespaces: what alerts need, and is theirs and not the host's."""


@dataclass(frozen=True)
class Limits:
    """One reading."""

    values: Mapping[str, int] = field(default_factory=dict)
    """By LimitName, as far as the kernel has them and they can be read."""
    ephemeral: range = DEFAULT_EPHEMERAL
    """The local ports that the kernel may choose for outgoing connections."""
    ephemeral_ports: int | None = None
    """How many of these are not reserved, or None where the kernel does not tell."""
