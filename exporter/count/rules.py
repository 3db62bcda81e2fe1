"""What the configuration decides about counting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from exporter.tcp.namespaces import OWN
from exporter.tcp.sockets import Service
from exporter.tcp.states import STUCK_AFTER, State

Seconds = float | None
"""None where no socket ever counts as stuck."""


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
class NamespaceRules:
    """Which network namespaces are counted, and how they are told."""

    which: Literal["own", "all"] = "own"
    max: int = 250
    """How many besides our own are told apart."""
    ports: int = 10
    """How many ports of each have a label, per role."""


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
    by_service: Mapping[tuple[State, Service], Seconds] = field(default_factory=dict)
    """Other seconds for some services, in every network namespace."""

    def seconds(self, state: State, service: Service) -> Seconds:
        """How long a socket of *service* is in *state* until it is stuck."""
        usual = self.after.get(state)
        return self.by_service.get((state, service._replace(netns=OWN)), usual) if self.by_service else usual
