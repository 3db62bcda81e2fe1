"""What the configuration decides about counting."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.tcp.states import STUCK_AFTER, State


@dataclass(frozen=True)
class PortRules:
    """Which ports get a label of their own."""

    listening: bool = True
    """Whether every port that listens does."""
    server: frozenset[int] = frozenset()
    """Local ports that always do."""
    client: frozenset[int] | None = None
    """Remote ports that do, or None to choose them."""
    max: int = 100
    """How many may, per role."""


@dataclass(frozen=True)
class OwnerRules:
    """How the owners of stuck sockets are told."""

    enabled: bool = True
    processes: bool = True
    """Whether their processes are looked for."""
    max: int = 20
    """How many are told apart."""


@dataclass(frozen=True)
class StuckRules:
    """What counts as stuck, and how it is told."""

    after: Mapping[State, float] = field(default_factory=lambda: STUCK_AFTER)
    """Seconds in a state after which a socket is stuck; in a state without, none ever is."""
    owners: OwnerRules = field(default_factory=OwnerRules)
