"""What bounds the states, and the counters that explain a build-up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_EPHEMERAL = range(32768, 61000)
"""Linux' ip_local_port_range, for systems that do not tell theirs."""


@dataclass(frozen=True)
class Limits:
    """One reading."""

    values: Mapping[str, int] = field(default_factory=dict)
    """By name: the keys of the tables above, as far as the kernel has them."""
    ephemeral: range = DEFAULT_EPHEMERAL
    """The local ports that the kernel may choose for outgoing connections."""
    ephemeral_ports: int | None = None
    """How many of these are not reserved, or None where the kernel does not tell."""
